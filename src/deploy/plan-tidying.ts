import type { KubeObject } from "../kube/objects.ts";
import { VIA_KIND } from "./choose-via.ts";
import type { Target } from "./live-workload.ts";
import { isFor } from "./our-objects.ts";
import type { ApplyChange, DeleteChange, EditChange, Step } from "./plan.ts";
import { planCacheRelease } from "./plan-cache-release.ts";
import { planUnmounts } from "./plan-unmounts.ts";
import type { ClusterDeps, DeployRequest } from "./request.ts";

/** What goes because a deploy took its place. */
export interface Tidying {
  readonly steps: readonly Step[];
  /** The edits among the steps. */
  readonly edits: readonly EditChange[];
  readonly notes: readonly string[];
}

/**
 * What an earlier deploy of the same filter needed and this one does not: the mounts when another kind takes over
 * from files, and the old module's entry in the cache. Left there, nothing would ever take them away.
 */
export async function planTidying(
  deps: ClusterDeps,
  deploy: {
    readonly request: Pick<DeployRequest, "timeoutMs" | "wait">;
    readonly namespace: string;
    readonly targets: readonly Target[];
    readonly objects: readonly ApplyChange[];
    readonly replaced: readonly DeleteChange[];
  },
): Promise<Tidying> {
  const { request, namespace, objects } = deploy;
  const deleted = deploy.replaced.filter(isFile).flatMap(({ before }) => before ?? []);
  const targets = deploy.targets.filter(({ workload }) => deleted.some((object) => isFor(object, workload)));
  const { edits, notes } = await planUnmounts(deps, deleted, { targets, namespace, filesServed: true });
  const updated = objects.filter(isFile).flatMap(({ before }) => before ?? []);
  const coming: readonly KubeObject[] = objects.filter(isFile).map(({ object }) => object);
  const release = await planCacheRelease(deps, [...updated, ...deleted], coming);
  const wait: Step = { type: "wait-rollout", workloads: edits.map(({ ref }) => ref), timeoutMs: request.timeoutMs };
  return {
    steps: [...edits, ...release.steps, ...(request.wait ? [wait] : [])],
    edits,
    notes: [...notes, ...release.notes],
  };
}

function isFile(change: ApplyChange | DeleteChange): boolean {
  return change.ref.kind === VIA_KIND.envoyfilter;
}
