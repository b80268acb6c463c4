import { isOfFilter, objectKey, type OurObject, workloadKey } from "./our-objects.ts";
import type { Target } from "./live-workload.ts";
import { type DeleteChange, refTo } from "./plan.ts";
import { refuseManaged } from "./refuse-taken.ts";
import type { ClusterDeps, DeployRequest, Via } from "./request.ts";
import { requireAccess } from "./require-access.ts";
import { VIA_KIND } from "./via-kind.ts";

/**
 * The objects of another kind that carry the same filter to the same workloads: left there, the filter would run
 * twice. They go last, so that there is no moment without it. Throws `FILTER_MANAGED` (usage) for one that a
 * FilterDeployment other than `owner` keeps.
 */
export async function planReplaced(
  deps: ClusterDeps,
  deploy: Pick<DeployRequest, "id" | "owner"> & {
    readonly via: Via;
    readonly namespace: string;
    readonly targets: readonly Target[];
  },
  ours: readonly OurObject[],
): Promise<readonly DeleteChange[]> {
  const { id, owner, via, namespace, targets } = deploy;
  const keys = new Set(targets.map(({ workload }) => workloadKey(workload)));
  const replaced = ours.filter((one) => one.via !== via && isOfFilter(one, id) && keys.has(objectKey(one.object)));
  for (const { object } of replaced) refuseManaged(object, owner);
  const changes = replaced.map((one): DeleteChange => {
    const reason = `is replaced by ${VIA_KIND[via].kind} ${one.object.metadata.name}`;
    const ref = refTo(VIA_KIND[one.via], one.object);
    return { type: "delete", action: "delete", ref, reason, before: one.object };
  });
  await requireAccess(
    deps,
    changes.map(({ ref }) => ({ verb: "delete", kind: ref.kind, namespace })),
  );
  return changes;
}
