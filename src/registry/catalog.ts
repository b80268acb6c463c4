import { readNames } from "./paged-list.ts";
import { apiHost } from "./registry-host.ts";
import type { Session } from "./session.ts";

/**
 * The names of all repositories of a registry, in its order; `undefined` when it does not offer the list, which most
 * public ones do not. The distribution specification leaves `_catalog` out; registries have it from Docker's.
 * Throws as {@link readNames} does.
 */
export async function listCatalog(session: Session, signal?: AbortSignal): Promise<readonly string[] | undefined> {
  // The Hub refuses everybody with a 401, as if an account could help.
  if (apiHost(session.host) !== session.host) return undefined;
  const list = {
    request: { target: "_catalog", scopes: ["registry:catalog:*"], action: "list its repositories" },
    key: "repositories",
    what: "its repositories",
    item: NAME,
    isAbsent: ({ status }: { readonly status: number }, code: unknown) =>
      NOT_OFFERED.has(status) || code === "UNSUPPORTED",
  };
  return readNames(session, list, signal);
}

const NOT_OFFERED: ReadonlySet<number> = new Set([404, 405, 501]);
/** Names are checked for real when a reference is made of them. */
const NAME = /^[a-z0-9][a-z0-9._/-]{0,254}$/u;
