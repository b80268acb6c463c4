import type { RawKubeconfig } from "./merge-kubeconfig.ts";
import { at, listAt, stringAt } from "./objects.ts";

/**
 * Headers of a kubeconfig user that acts as somebody else. client-node 1.4 sends the name alone; here are the groups,
 * uid and extras, without which the request would be judged by other rights than those asked for.
 */
export function impersonationHeaders(raw: RawKubeconfig): Readonly<Record<string, string | readonly string[]>> {
  const context = named(raw["contexts"], raw["current-context"]);
  const user = at(named(raw["users"], stringAt(context, "context", "user")), "user");
  const groups = listAt(user, "as-groups").map(String);
  const uid = stringAt(user, "as-uid");
  const extras = Object.keys(at(user, "as-user-extra") ?? {}).map((key): [string, readonly string[]] => {
    return [`impersonate-extra-${encodeURIComponent(key)}`, listAt(user, "as-user-extra", key).map(String)];
  });
  return {
    ...(groups.length === 0 ? {} : { "impersonate-group": groups }),
    ...(uid === undefined ? {} : { "impersonate-uid": uid }),
    ...Object.fromEntries(extras),
  };
}

function named(list: unknown, name: unknown): unknown {
  return Array.isArray(list) ? list.find((entry: unknown) => at(entry, "name") === name) : undefined;
}
