import { VIA_KIND } from "./choose-via.ts";
import type { Target } from "./live-workload.ts";
import { isFor, listOurs } from "./our-objects.ts";
import { type DeleteChange, refTo } from "./plan.ts";
import type { ClusterDeps, Via } from "./request.ts";
import { requireAccess } from "./require-access.ts";

/**
 * The objects of another kind that carry the same filter to the same workloads: left there, the filter would run
 * twice. They go last, so that there is no moment without it.
 */
export async function planReplaced(
  deps: ClusterDeps,
  deploy: {
    readonly id: string;
    readonly via: Via;
    readonly namespace: string;
    readonly targets: readonly Target[];
    readonly served: ReadonlySet<Via>;
  },
): Promise<readonly DeleteChange[]> {
  const others = [...deploy.served].filter((via) => via !== deploy.via);
  const ours = await listOurs(deps, deploy, others);
  const changes = ours
    .filter(({ object }) => deploy.targets.some(({ workload }) => isFor(object, workload)))
    .map(({ via, object }): DeleteChange => {
      const reason = `is replaced by ${VIA_KIND[deploy.via].kind} ${object.metadata.name}`;
      return { type: "delete", action: "delete", ref: refTo(VIA_KIND[via], object), reason, before: object };
    });
  const { namespace } = deploy;
  await requireAccess(
    deps.port,
    changes.map(({ ref }) => ({ verb: "delete", kind: ref.kind, namespace })),
    deps.signal,
  );
  return changes;
}
