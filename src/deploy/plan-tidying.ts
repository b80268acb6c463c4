import type { KubeObject } from "../kube/objects.ts";
import { keysOf, othersComing, speakerOf } from "./cache-list.ts";
import type { Target } from "./live-workload.ts";
import type { CacheLook } from "./look-at-cache.ts";
import { cacheUseOf, type FilterObjects, oursAmong } from "./our-objects.ts";
import type { ApplyChange, DeleteChange, EditChange, MarkStep, Step } from "./plan.ts";
import type { CacheRelease } from "./plan-cache-removal.ts";
import { cacheOf } from "./cache-name.ts";
import { planCacheRelease, planOrphan } from "./plan-cache-release.ts";
import { planUnmounts } from "./plan-unmounts.ts";
import type { ClusterDeps, DeployRequest } from "./request.ts";

/** What goes because a deploy took its place. */
export interface Tidying {
  /** To be done before the objects are applied. */
  readonly marks: readonly MarkStep[];
  readonly steps: readonly Step[];
  /** The edits among the steps. */
  readonly edits: readonly EditChange[];
  readonly notes: readonly string[];
}

/**
 * What an earlier deploy of the same filter needed and this one does not: volumes, and the old module's entry in the
 * cache. Left there, nothing would ever take them away. It looks at what is there rather than at what is replaced, so a
 * run that stopped before its end is gone on with.
 */
export async function planTidying(
  deps: ClusterDeps,
  deploy: {
    readonly request: Pick<DeployRequest, "timeoutMs" | "wait" | "owner" | "id">;
    readonly namespace: string;
    readonly targets: readonly Target[];
    readonly cache: CacheLook;
    readonly objects: readonly ApplyChange[];
    readonly replaced: readonly DeleteChange[];
    readonly found: FilterObjects;
  },
): Promise<Tidying> {
  const { request, namespace, objects, replaced, found, cache } = deploy;
  const coming: readonly KubeObject[] = objects.map(({ object }) => object);
  const over = new Set([...objects, ...replaced].map(({ before }) => before?.metadata.uid));
  const others = oursAmong(found)
    .map(({ object }) => object)
    .filter(({ metadata }) => !over.has(metadata.uid));
  const left = [...others, ...coming];
  const from = speakerOf(namespace, request);
  const known = {
    left,
    denied: found.denied,
    optional: true,
    coming: othersComing(cache.configMap, from, namespace),
  };
  const { edits, notes } = await planUnmounts(deps, deploy.targets, known);
  const uses = [...objects, ...replaced].flatMap(({ before }) =>
    before === undefined ? [] : (cacheUseOf(before) ?? []),
  );
  const noted = keysOf(cache.configMap, from).map((key) => ({ cache: cache.sight.title, key }));
  const release = await planCacheRelease(deps, [...uses, ...noted], {
    over,
    coming,
    from,
    owner: request.owner,
  });
  const orphan = release.steps.length > 0 ? NONE : await orphaned(deps, cache, coming);
  const wait: Step = { type: "wait-rollout", workloads: edits.map(({ ref }) => ref), timeoutMs: request.timeoutMs };
  return {
    marks: release.marks,
    steps: [...edits, ...release.steps, ...orphan.steps, ...(request.wait && edits.length > 0 ? [wait] : [])],
    edits,
    notes: [...notes, ...release.notes, ...orphan.notes],
  };
}

/** A cache that a run was stopped while taking away, when nothing of this deploy needs it. */
async function orphaned(deps: ClusterDeps, cache: CacheLook, coming: readonly KubeObject[]): Promise<CacheRelease> {
  const { configMap, daemonSet, service, sight } = cache;
  const isThere = daemonSet !== undefined || service !== undefined;
  if (!isThere || coming.some((object) => cacheUseOf(object)?.cache === sight.title)) return NONE;
  return await planOrphan(deps, cacheOf(sight.title), configMap);
}

const NONE: CacheRelease = { steps: [], notes: [] };
