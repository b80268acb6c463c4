import { WasmeError } from "../domain/errors.ts";
import { workloadResource } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { Access } from "../kube/port.ts";
import { checkFilterId, WORKLOAD_KIND_LABEL } from "../mesh/names.ts";
import { VIA_KIND } from "./choose-via.ts";
import { type Target, targetOf } from "./live-workload.ts";
import { isFor, listOurs, type OurObject, servedVias } from "./our-objects.ts";
import { type DeleteChange, type EditChange, type Plan, refTo, type Step } from "./plan.ts";
import { planCacheRelease } from "./plan-cache-release.ts";
import { planUnmounts } from "./plan-unmounts.ts";
import { type ClusterDeps, type UndeployRequest, type WorkloadQuery } from "./request.ts";
import { requireAccess } from "./require-access.ts";
import { labelText } from "./select-workloads.ts";

/** A plan to undeploy. */
export interface UndeployPlan extends Plan {
  readonly namespace: string;
}

/**
 * Works out what taking a filter away means: its own objects go first, then the mounts of workloads no other filter
 * of ours needs (also when an earlier run stopped before it), then the module's entry in the cache, and the cache
 * itself with its last entry. Changes nothing. Throws `FILTER_NOT_DEPLOYED` (not-found) when there is nothing to do.
 */
export async function planUndeploy(deps: ClusterDeps, request: UndeployRequest): Promise<UndeployPlan> {
  checkFilterId(request.id);
  const namespace = request.workloads.namespace ?? deps.port.namespace;
  const query = { ...request.workloads, namespace };
  const served = await servedVias(deps);
  const targets = await liveTargets(deps, query);
  const all = await listOurs(deps, { id: request.id, namespace }, served);
  const ours = all.filter(({ object }) => isSelected(object, query, targets));
  if (ours.length === 0) {
    const lists = [...served].map((via): Access => ({ verb: "list", kind: VIA_KIND[via], namespace }));
    await requireAccess(deps.port, lists, deps.signal);
  }
  const files = ours.filter(({ via }) => via === "envoyfilter").map(({ object }) => object);
  const mounts = await planUnmounts(deps, files, { targets, namespace, filesServed: served.has("envoyfilter") });
  if (ours.length === 0 && mounts.edits.length === 0) throw notDeployed(request.id, query);
  await requireAccess(deps.port, accessFor(ours, mounts.edits, { namespace, wait: request.wait }), deps.signal);
  const release = await planCacheRelease(deps, files);
  const workloads = mounts.edits.map(({ ref }) => ref);
  const wait: Step = { type: "wait-rollout", workloads, timeoutMs: request.timeoutMs };
  return {
    namespace,
    steps: [
      ...ours.map((found) => deletion(found)),
      ...mounts.edits,
      ...release.steps,
      // Last, since it may fail: a repeat could not tell any more what of the cache was ours.
      ...(request.wait ? [wait] : []),
    ],
    notes: [
      ours.length === 0
        ? `filter ${request.id} is not there; what a run that stopped half-way left is tidied`
        : `filter ${request.id} goes from ${ours.length} ${ours.length === 1 ? "workload" : "workloads"}`,
      ...mounts.notes,
      ...release.notes,
    ],
    warnings: [],
  };
}

/** The workloads the query matches; none is no error here, since a deleted workload may have left a filter behind. */
async function liveTargets(
  deps: ClusterDeps,
  query: WorkloadQuery & { readonly namespace: string },
): Promise<readonly Target[]> {
  const { kind, namespace, labels } = query;
  const selection = { kind: workloadResource(kind), namespace, labelSelector: labelText(labels) };
  const { items } = await deps.port.list(selection, deps.signal);
  return items.map((item) => targetOf(kind, item, namespace));
}

/** With labels: only what is on workloads that have them. Without: everything of that kind of workload. */
function isSelected(object: KubeObject, query: WorkloadQuery, targets: readonly Target[]): boolean {
  if (targets.some(({ workload }) => isFor(object, workload))) return true;
  return (
    Object.keys(query.labels).length === 0 && object.metadata.labels?.[WORKLOAD_KIND_LABEL] === query.kind.toLowerCase()
  );
}

function deletion({ via, object }: OurObject): DeleteChange {
  return {
    type: "delete",
    action: "delete",
    ref: refTo(VIA_KIND[via], object),
    reason: "takes the filter out of the proxies",
    before: object,
  };
}

function accessFor(
  ours: readonly OurObject[],
  edits: readonly EditChange[],
  where: { readonly namespace: string; readonly wait: boolean },
): readonly Access[] {
  const { namespace } = where;
  const deletes = ours.map(({ via }): Access => ({ verb: "delete", kind: VIA_KIND[via], namespace }));
  const verbs = where.wait ? ["get", "patch", "list", "watch"] : ["get", "patch"];
  const workloads = edits.flatMap(({ ref }) => verbs.map((verb): Access => ({ verb, kind: ref.kind, namespace })));
  return [...deletes, ...workloads];
}

function notDeployed(id: string, query: WorkloadQuery): WasmeError {
  const labels = labelText(query.labels);
  const which = labels === "" ? `any ${query.kind}` : `a ${query.kind} with label ${labels}`;
  return new WasmeError(
    "not-found",
    "FILTER_NOT_DEPLOYED",
    `filter ${JSON.stringify(id)} is not on ${which} in namespace ${JSON.stringify(query.namespace)}`,
    {
      hint: `kubectl get envoyfilters,wasmplugins -A -l wasme.io/filter=${id}`,
    },
  );
}
