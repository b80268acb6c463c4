import { WasmeError } from "../domain/errors.ts";
import { WORKLOAD_KINDS } from "../domain/workload.ts";
import { Kinds, workloadResource } from "../kube/kinds.ts";
import type { Access } from "../kube/port.ts";
import { checkFilterId, FILTER_DEPLOYMENT_LABEL, WORKLOAD_KIND_LABEL, workloadLabel } from "../mesh/names.ts";
import { keysOf, othersComing, speakerOf } from "./cache-list.ts";
import { type Target, targetOf } from "./live-workload.ts";
import { findOldFilters, oldFiltersNote } from "./migrate-hint.ts";
import {
  cacheUseOf,
  type FilterObjects,
  isOfFilter,
  objectKey,
  type OurObject,
  oursAmong,
  readFilterObjects,
  servedVias,
  workloadKey,
} from "./our-objects.ts";
import { type DeleteChange, type EditChange, type Plan, refTitle, refTo, type Step } from "./plan.ts";
import { type CacheUse, type EntryRelease, planCacheRelease, planOrphan } from "./plan-cache-release.ts";
import { planUnmounts, readableAmong } from "./plan-unmounts.ts";
import { refuseManaged } from "./refuse-taken.ts";
import type { ClusterDeps, UndeployRequest, WorkloadQuery } from "./request.ts";
import { deniedAsUndefined, requireAccess } from "./require-access.ts";
import { labelText } from "./select-workloads.ts";
import { VIA_KIND } from "./via-kind.ts";

/** A plan to undeploy. */
export interface UndeployPlan extends Plan {
  readonly namespace: string;
}

type Query = WorkloadQuery & { readonly namespace: string };

/**
 * Works out what taking a filter away means: its own objects go first, then the volumes of workloads no other filter
 * of ours needs, then the module's entry in the cache with its credentials, and the cache itself with its last entry.
 * What an earlier run that stopped half-way left is found by the volumes and by the marks on the cache's list. Changes
 * nothing. Throws `FILTER_NOT_DEPLOYED` (not-found) when there is nothing to do, `FILTER_MANAGED` (usage) for what a
 * FilterDeployment keeps.
 */
export async function planUndeploy(deps: ClusterDeps, request: UndeployRequest): Promise<UndeployPlan> {
  if (request.owner === undefined) checkFilterId(request.id);
  const namespace = request.workloads.namespace ?? deps.port.namespace;
  const query = { ...request.workloads, namespace };
  const served = await servedVias(deps);
  const found = await readFilterObjects(deps, served, namespace);
  const selected = await liveTargets(deps, query);
  const keys = new Set(selected.map(({ workload }) => workloadKey(workload)));
  const ours = oursAmong(found).filter((one) => isGoing(one, request, { query, keys }));
  for (const { object } of ours) refuseManaged(object, request.owner, "goes");
  if (ours.length === 0) await requireLists(deps, found, namespace);
  const targets = await withWorkloadsOf(deps, ours, { targets: selected, query });
  const going = new Set(ours.map(({ object }) => object.metadata.uid));
  const left = oursAmong(found).map(({ object }) => object);
  const staying = left.filter(({ metadata }) => !going.has(metadata.uid));
  const { noted, others } = await noticesOf(deps, request, namespace);
  // Of a run that is gone on with, the objects are gone, and nobody knows any more which volumes were theirs.
  const resumed = ours.length === 0 || noted.length > 0;
  const volumes = resumed ? { coming: others } : { of: ours.map(({ object }) => object) };
  // A deletion must not hang on what somebody else broke.
  const seen = readableAmong(targets, { strict: request.owner === undefined });
  const mounts = await planUnmounts(deps, seen.readable, { left: staying, denied: found.denied, ...volumes });
  const release = await planRelease(deps, request, { ours, noted, namespace });
  const nothing = ours.length === 0 && mounts.edits.length === 0 && release.steps.length === 0;
  if (nothing && request.owner === undefined) {
    const old = await findOldFilters(deps, found, { namespace, id: request.id });
    throw notDeployed(request.id, query, oldFiltersNote(old, namespace)[0]);
  }
  await requireAccess(deps, accessFor(ours, mounts.edits, { namespace, wait: request.wait }));
  return {
    namespace,
    steps: [
      ...release.marks,
      ...ours.map((one) => deletion(one)),
      ...mounts.edits,
      ...release.steps,
      // Last, since it may fail: everything else is tidied by then.
      ...(request.wait ? rolloutWaits(mounts.edits, request.timeoutMs) : []),
    ],
    notes: [...headNotes(ours, request), ...deniedNotes(found, namespace), ...mounts.notes, ...release.notes],
    warnings: seen.notes.map((message) => ({ message })),
  };
}

/** Who may not list a kind may not know that there is nothing of it. */
async function requireLists(deps: ClusterDeps, found: FilterObjects, namespace: string): Promise<void> {
  const lists = found.denied.map((via): Access => ({ verb: "list", kind: VIA_KIND[via], namespace }));
  await requireAccess(deps, lists);
}

/** What was found elsewhere goes; whether there is more is not known. */
function deniedNotes(found: FilterObjects, namespace: string): readonly string[] {
  return found.denied.map(
    (via) => `${VIA_KIND[via].plural} of namespace ${namespace} are left as they are: not allowed to list them`,
  );
}

function headNotes(ours: readonly OurObject[], { id, owner }: UndeployRequest): readonly string[] {
  if (owner !== undefined) return [];
  if (ours.length === 0) return [`filter ${id} is not there; what a run that stopped half-way left is tidied`];
  return [`filter ${id} goes from ${ours.length} ${ours.length === 1 ? "workload" : "workloads"}`];
}

/** The workloads the query matches; none is no error here, since a deleted workload may have left a filter behind. */
async function liveTargets(deps: ClusterDeps, query: Query): Promise<readonly Target[]> {
  const { kind, namespace, labels, names } = query;
  const selection = { kind: workloadResource(kind), namespace, labelSelector: labelText(labels) };
  const { items } = await deps.port.list(selection, deps.signal);
  const chosen = items.filter(({ metadata }) => names?.includes(metadata.name) !== false);
  return chosen.map((item) => targetOf(kind, item, namespace));
}

/** The targets, with the workloads of objects that go and that the query does not match (any more). */
async function withWorkloadsOf(
  deps: ClusterDeps,
  ours: readonly OurObject[],
  where: { readonly targets: readonly Target[]; readonly query: Query },
): Promise<readonly Target[]> {
  const { targets, query } = where;
  const known = new Set(targets.map(({ workload }) => workloadKey(workload)));
  const rest = ours.map(({ object }) => object).filter((object) => !known.has(objectKey(object)));
  const kinds = WORKLOAD_KINDS.filter((kind) =>
    rest.some((object) => object.metadata.labels?.[WORKLOAD_KIND_LABEL] === kind.toLowerCase()),
  );
  const more = await Promise.all(
    kinds.map((kind) => liveTargets(deps, { kind, namespace: query.namespace, labels: {} })),
  );
  const wanted = new Set(rest.map((object) => objectKey(object)));
  const others = more.flat().filter(({ workload }) => wanted.has(workloadKey(workload)));
  return [...targets, ...others];
}

/** Of an owner: what has its label. Else of an id: with labels only what is on workloads that have them. */
function isGoing(
  one: OurObject,
  request: UndeployRequest,
  where: { readonly query: Query; readonly keys: ReadonlySet<string> },
): boolean {
  const { id, owner, keep = [] } = request;
  const { object, via } = one;
  const title = refTitle(refTo(VIA_KIND[via], object));
  if (keep.some((ref) => refTitle(ref) === title)) return false;
  const labels = object.metadata.labels ?? {};
  if (owner !== undefined) return labels[FILTER_DEPLOYMENT_LABEL] === workloadLabel(owner.name);
  if (!isOfFilter(one, id)) return false;
  const { query, keys } = where;
  if (keys.has(objectKey(object))) return true;
  const all = Object.keys(query.labels).length === 0 && query.names === undefined;
  return all && labels[WORKLOAD_KIND_LABEL] === query.kind.toLowerCase();
}

/** The entries of what goes, and those an earlier run that stopped said something of. */
async function planRelease(
  deps: ClusterDeps,
  request: UndeployRequest,
  what: { readonly ours: readonly OurObject[]; readonly noted: readonly CacheUse[]; readonly namespace: string },
): Promise<EntryRelease> {
  const { ours, noted, namespace } = what;
  const { owner, cache } = request;
  const from = speakerOf(namespace, request);
  const uses = ours.flatMap(({ object }) => cacheUseOf(object) ?? []);
  const over = new Set(ours.map(({ object }) => object.metadata.uid));
  const release = await planCacheRelease(deps, [...uses, ...noted], { over, coming: [], from, owner });
  if (release.steps.length > 0 || uses.length > 0 || cache === undefined) return release;
  const { namespace: place, name } = cache;
  const ref = { kind: Kinds.configMap, namespace: place, name };
  const list = await deniedAsUndefined(deps.port.get(ref, deps.signal).then((live) => [live]));
  if (list === undefined) return release;
  const rest = await planOrphan(deps, { namespace: place, name }, list[0]);
  return { ...release, steps: [...release.steps, ...rest.steps], notes: [...release.notes, ...rest.notes] };
}

/** What a run that stopped half-way, of this very filter, said of the cache's entries, and who else is coming. */
async function noticesOf(
  deps: ClusterDeps,
  request: UndeployRequest,
  namespace: string,
): Promise<{ readonly noted: readonly CacheUse[]; readonly others: readonly string[] }> {
  const { cache } = request;
  if (cache === undefined) return { noted: [], others: [] };
  const ref = { kind: Kinds.configMap, namespace: cache.namespace, name: cache.name };
  const list = await deniedAsUndefined(deps.port.get(ref, deps.signal));
  const from = speakerOf(namespace, request);
  const noted = keysOf(list, from).map((key) => ({ cache: `${cache.namespace}/${cache.name}`, key }));
  return { noted, others: othersComing(list, from, namespace) };
}

function rolloutWaits(edits: readonly EditChange[], timeoutMs: number): readonly Step[] {
  const kinds = new Set(edits.map(({ ref }) => ref.kind));
  return [...kinds].map((kind): Step => {
    const workloads = edits.map(({ ref }) => ref).filter((ref) => ref.kind === kind);
    return { type: "wait-rollout", workloads, timeoutMs };
  });
}

function deletion({ via, object }: OurObject): DeleteChange {
  const reason = "takes the filter out of the proxies";
  return { type: "delete", action: "delete", ref: refTo(VIA_KIND[via], object), reason, before: object };
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

function notDeployed(id: string, query: WorkloadQuery, known: string | undefined): WasmeError {
  const labels = labelText(query.labels);
  const which = labels === "" ? `any ${query.kind}` : `a ${query.kind} with label ${labels}`;
  return new WasmeError(
    "not-found",
    "FILTER_NOT_DEPLOYED",
    `filter ${JSON.stringify(id)} is not on ${which} in namespace ${JSON.stringify(query.namespace)}`,
    {
      hint:
        known ??
        `wasme status -A shows where filter ${id} is; what a run with --cache-namespace left is found with the same option`,
    },
  );
}
