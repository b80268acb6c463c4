import { Kinds } from "../kube/kinds.ts";
import { stringMapAt } from "../kube/objects.ts";
import { FILTER_LABEL } from "../mesh/names.ts";
import { noticesOn, speakerOf } from "./cache-list.ts";
import { cacheUseOf, oursAmong, readFilterObjects, servedVias } from "./our-objects.ts";
import type { AnnounceChange } from "./plan.ts";
import type { CacheName } from "./cache-name.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined } from "./require-access.ts";

/**
 * What is left to say to a cache's list by a run that stopped between a filter's object and the word that it is there:
 * nothing of the old tool tells of it any more, and the notice would keep the entry for ever.
 */
export async function planSettledNotices(
  deps: ClusterDeps,
  { namespace, name }: CacheName,
  where: string | undefined,
): Promise<readonly AnnounceChange[]> {
  const ref = { kind: Kinds.configMap, namespace, name };
  const list = await deniedAsUndefined(deps.port.get(ref, deps.signal));
  const coming = noticesOn(list, "coming");
  if (list === undefined || coming.length === 0) return [];
  const objects = oursAmong(await readFilterObjects(deps, await servedVias(deps), where));
  const there = new Set(
    objects.map(({ object }) => {
      const { namespace: own = "", labels = {} } = object.metadata;
      const use = cacheUseOf(object);
      return `${use?.cache ?? ""} ${use?.key ?? ""} ${speakerOf(own, { id: labels[FILTER_LABEL] ?? "" })}`;
    }),
  );
  const reason = "the filter is there";
  return coming
    .filter(({ key, from }) => there.has(`${namespace}/${name} ${key} ${from}`))
    .flatMap(({ key, from }) => {
      const value = stringMapAt(list, "data")[key];
      if (value === undefined) return [];
      const about = { key, value, from, stage: "there", need: "told" } as const;
      return [{ type: "announce", action: "update", ref, ...about, reason, before: list } as const];
    });
}
