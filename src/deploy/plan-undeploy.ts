import { WasmeError } from "../domain/errors.ts";
import { workloadResource } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { Access } from "../kube/port.ts";
import { checkFilterId, WORKLOAD_KIND_LABEL } from "../mesh/names.ts";
import { VIA_KIND } from "./choose-via.ts";
import { isGateway, type Target, targetOf } from "./live-workload.ts";
import { isFor, listOurEnvoyFilters, listOurs, type OurObject } from "./our-objects.ts";
import { type DeleteChange, type EditChange, type Plan, refTo, type Step } from "./plan.ts";
import { planCacheRelease } from "./plan-cache-release.ts";
import { type ClusterDeps, type UndeployRequest, type Via, VIAS, type WorkloadQuery } from "./request.ts";
import { requireAccess } from "./require-access.ts";
import { labelText } from "./select-workloads.ts";
import { settleEdit } from "./settle-change.ts";

/** A plan to undeploy. */
export interface UndeployPlan extends Plan {
  readonly namespace: string;
}

/**
 * Works out what taking a filter away means: its own objects go first, then the mounts of workloads no other filter
 * of ours needs, then the module's entry in the cache, and the cache itself with its last entry. Changes nothing.
 * Throws `FILTER_NOT_DEPLOYED` (not-found) when there is nothing of that id on the selected workloads.
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
    await requireAccess(
      deps.port,
      served.map((via) => ({ verb: "list", kind: VIA_KIND[via], namespace })),
      deps.signal,
    );
    throw notDeployed(request.id, query);
  }
  const files = ours.filter(({ via }) => via === "envoyfilter").map(({ object }) => object);
  const mounts = await planUnmounts(deps, files, { targets, namespace });
  await requireAccess(deps.port, accessFor(ours, mounts.edits, { namespace, wait: request.wait }), deps.signal);
  const release = await planCacheRelease(deps, files);
  const updates = mounts.edits.filter(({ action }) => action === "update");
  const wait: Step = { type: "wait-rollout", workloads: updates.map(({ ref }) => ref), timeoutMs: request.timeoutMs };
  return {
    namespace,
    steps: [
      ...ours.map((found) => deletion(found)),
      ...mounts.edits,
      ...(request.wait ? [wait] : []),
      ...release.steps,
    ],
    notes: [
      `filter ${request.id} goes from ${ours.length} ${ours.length === 1 ? "workload" : "workloads"}`,
      ...mounts.notes,
      ...release.notes,
    ],
    warnings: [],
    needs: [],
  };
}

async function servedVias(deps: ClusterDeps): Promise<readonly Via[]> {
  const answers = await Promise.all(VIAS.map((via) => deps.port.served(VIA_KIND[via], deps.signal)));
  return VIAS.filter((_, index) => answers[index]);
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

/** Takes the mounts out of workloads that no other filter of ours reads files through. */
async function planUnmounts(
  deps: ClusterDeps,
  files: readonly KubeObject[],
  where: { readonly targets: readonly Target[]; readonly namespace: string },
): Promise<{ readonly edits: readonly EditChange[]; readonly notes: readonly string[] }> {
  if (files.length === 0) return { edits: [], notes: [] };
  const going = new Set(files.map((object) => object.metadata.name));
  const others = (await listOurEnvoyFilters(deps, where.namespace)).filter(
    (object) => !going.has(object.metadata.name),
  );
  const edits: EditChange[] = [];
  const notes: string[] = [];
  for (const target of where.targets) {
    if (!files.some((object) => isFor(object, target.workload))) continue;
    const needed = others.filter((object) => isFor(object, target.workload)).map((object) => object.metadata.name);
    if (needed.length > 0) {
      notes.push(
        `${target.workload.name} keeps its mount: ${needed.join(", ")} ${needed.length === 1 ? "needs" : "need"} it`,
      );
      continue;
    }
    const place = isGateway(target.live) ? "gateway" : "sidecar";
    const settled = await settleEdit(deps, target, { place, direction: "unmount" });
    if (settled.change.action === "update") edits.push(settled.change);
    notes.push(...settled.remarks);
  }
  return { edits, notes };
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
