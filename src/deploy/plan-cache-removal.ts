import { Kinds, type ResourceKind } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { Access, ObjectRef } from "../kube/port.ts";
import { cachePodLabels } from "../mesh/cache-objects.ts";
import { MANAGED_BY, MANAGED_BY_LABEL } from "../mesh/names.ts";
import type { CacheName } from "./cache-name.ts";
import { inhabitants, inhabitedNote } from "./inhabitants.ts";
import { isOurWork } from "./look-at-cache.ts";
import type { DeleteChange, Step } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined, missingAccess } from "./require-access.ts";
import { hasLabels } from "./select-workloads.ts";

/** What is tidied in the caches after filters went. */
export interface CacheRelease {
  readonly steps: readonly Step[];
  readonly notes: readonly string[];
}

/** `the node cache namespace/name`. */
export function cacheTitle(cache: CacheName): string {
  return `the node cache ${cache.namespace}/${cache.name}`;
}

/** Why the parts of a cache go. */
export const CACHE_UNNEEDED = "no filter needs the node cache any more";

/** The deletion of a cache that this tool made, if we may; the namespace only when nothing else is in it. */
export async function planCacheRemoval(deps: ClusterDeps, cache: CacheName): Promise<CacheRelease | undefined> {
  const { namespace, name } = cache;
  const parts = PARTS.map((kind): ObjectRef => ({ kind, name, namespace }));
  const live = await Promise.all(parts.map((ref) => deniedAsUndefined(deps.port.get(ref, deps.signal))));
  // A DaemonSet of somebody else makes the whole somebody else's; one that is gone may be of a run that stopped here.
  const [daemonSet] = live;
  if (daemonSet !== undefined && !isOurWork(daemonSet)) return undefined;
  if (!live.some((part) => part !== undefined && isOurWork(part))) return undefined;
  const rights = [...PARTS, Kinds.configMap].map((kind): Access => ({ verb: "delete", kind, namespace, name }));
  if ((await missingAccess(deps, rights)).length > 0) {
    return {
      steps: [],
      notes: [`${cacheTitle(cache)} is empty now and stays: not allowed to delete it`],
    };
  }
  const onlyWithCache = `${namespace}/${name}`;
  const steps: DeleteChange[] = [];
  for (const [index, ref] of parts.entries()) {
    const before = live[index];
    if (before === undefined || !isOurWork(before)) continue;
    steps.push({ type: "delete", action: "delete", ref, reason: CACHE_UNNEEDED, before, onlyWithCache });
  }
  const space = await lookAtSpace(deps, cache);
  if ("note" in space) return { steps, notes: space.note === undefined ? [] : [space.note] };
  const ref: ObjectRef = { kind: Kinds.namespace, name: namespace };
  return {
    steps: [
      ...steps,
      { type: "delete", action: "delete", ref, reason: CACHE_UNNEEDED, before: space.live, onlyWithCache },
    ],
    notes: [],
  };
}

/** The cache's namespace when we made it and nobody else uses it, or why it stays, if that is to be said. */
async function lookAtSpace(
  deps: ClusterDeps,
  cache: CacheName,
): Promise<{ readonly live: KubeObject } | { readonly note: string | undefined }> {
  const { namespace } = cache;
  const ref: ObjectRef = { kind: Kinds.namespace, name: namespace };
  const seen = await deniedAsUndefined(deps.port.get(ref, deps.signal).then((live) => ({ live })));
  if (seen === undefined) return { note: `namespace ${namespace} stays: not allowed to see it` };
  const { live } = seen;
  if (live === undefined) return { note: undefined };
  const ours = isOurWork(live) && live.metadata.labels?.[MANAGED_BY_LABEL] === MANAGED_BY;
  if (!ours) return { note: `namespace ${namespace} stays: it was not made for the node cache` };
  const mayDelete = await missingAccess(deps, [{ verb: "delete", ...ref }]);
  if (mayDelete.length > 0) return { note: `namespace ${namespace} stays: not allowed to delete it` };
  const own = cachePodLabels(cache);
  const others = await inhabitants(deps, namespace, (_kind, item) => hasLabels(item.metadata.labels ?? {}, own));
  const note = inhabitedNote(namespace, others);
  return note === undefined ? { live } : { note };
}

/** In the order to delete them: first what runs, then what it runs with. */
const PARTS: readonly ResourceKind[] = [
  Kinds.daemonSet,
  Kinds.service,
  Kinds.roleBinding,
  Kinds.role,
  Kinds.serviceAccount,
];
