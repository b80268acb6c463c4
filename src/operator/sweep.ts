import { WasmeError } from "../domain/errors.ts";
import { isObject } from "../domain/json.ts";
import { parseFilterDeployment } from "../domain/filter-deployment.ts";
import { WORKLOAD_KINDS } from "../domain/workload.ts";
import { applyPlan } from "../deploy/apply-plan.ts";
import { noticesOn, othersComing } from "../deploy/cache-list.ts";
import { mountedVolumes } from "../deploy/edit-workload.ts";
import { placeOf, type Target, targetOf } from "../deploy/live-workload.ts";
import { oursAmong, readFilterObjects, servedVias } from "../deploy/our-objects.ts";
import { planCacheRelease } from "../deploy/plan-cache-release.ts";
import { planUnmounts } from "../deploy/plan-unmounts.ts";
import type { ClusterDeps } from "../deploy/request.ts";
import { hasLabels } from "../deploy/select-workloads.ts";
import { keyOf } from "../controller/object-store.ts";
import { Kinds, workloadResource } from "../kube/kinds.ts";
import { at, type KubeObject, stringMapAt } from "../kube/objects.ts";
import type { FieldManager } from "../kube/port.ts";
import { IMAGE_INDEX, USE_INDEX } from "./cluster-view.ts";
import { ownerOf } from "./desired.ts";
import { ownSteps } from "./own-steps.ts";
import type { ReconcilerDeps } from "./work.ts";

/** Where to sweep, and what does not count. */
export interface Sweep {
  readonly deps: ReconcilerDeps;
  readonly cluster: ClusterDeps;
  readonly namespace: string;
  /** A FilterDeployment that is going: what it wants stays no more. */
  readonly without?: KubeObject;
}

/**
 * Takes away what a run that stopped half-way left behind and no object tells of: volumes that this operator mounted and
 * nothing reads, entries that it put on the cache's list and nothing needs. Who wrote a field tells which are its own, so
 * it needs no memory of its own, and nothing of others is touched.
 */
export async function sweep(sweeping: Sweep): Promise<void> {
  try {
    await sweepMounts(sweeping);
  } finally {
    await sweepList(sweeping);
  }
}

async function sweepMounts(sweeping: Sweep): Promise<void> {
  const { cluster, namespace, deps } = sweeping;
  const targets = WORKLOAD_KINDS.flatMap((kind) => strayMounts(sweeping, kind));
  if (targets.length === 0) return;
  // Others are asked after of the server, not of copies, and the list comes first: who takes back that it is coming has
  // its objects there by then.
  const now = { ...cluster, port: deps.port.live };
  const coming = await deploysUnderWay(now, sweeping);
  const found = await readFilterObjects(now, await servedVias(cluster), namespace);
  const left = oursAmong(found).map(({ object }) => object);
  const { edits } = await planUnmounts(cluster, targets, { left, coming, denied: found.denied });
  if (edits.length > 0) await applyPlan(cluster, { steps: edits }, { force: true, waits: "stop" });
}

/**
 * Filters that the command line is putting on workloads of the namespace. What FilterDeployments do is known without: a
 * workload that one of them wants is not stray.
 */
async function deploysUnderWay(
  { port, signal }: ClusterDeps,
  { deps, namespace }: Pick<Sweep, "deps" | "namespace">,
): Promise<readonly string[]> {
  const { cache } = deps.settings;
  if (cache === undefined) return [];
  const list = await port.get({ kind: Kinds.configMap, ...cache }, signal);
  const ours = `${namespace}/${Kinds.filterDeployment.kind}/`;
  return othersComing(list, "", namespace).filter((speaker) => !speaker.startsWith(ours));
}

/** Workloads into which this operator mounted something, and which no FilterDeployment selects. */
function strayMounts({ deps, namespace, without }: Sweep, kind: (typeof WORKLOAD_KINDS)[number]): readonly Target[] {
  const resource = workloadResource(kind);
  const view = deps.view.workloads.find((one) => one.kind === resource);
  const mounted = (view?.list({ namespace }) ?? []).filter((live) => isWrittenByUs(live) && isMounted(live));
  if (mounted.length === 0) return [];
  const selecting = deps.view.filterDeployments
    .list({ namespace })
    .filter(({ metadata }) => metadata.uid !== without?.metadata.uid && metadata.deletionTimestamp === undefined)
    .flatMap((one) => parseFilterDeployment(one).spec ?? [])
    .filter((spec) => spec.kind === kind);
  return mounted
    .filter(({ metadata }) => !selecting.some(({ labels }) => hasLabels(metadata.labels ?? {}, labels)))
    .map((live) => targetOf(kind, live, namespace));
}

/** An annotation that somebody broke since holds nothing that could be taken out. */
function isMounted(live: KubeObject): boolean {
  try {
    return mountedVolumes(live, placeOf(live)).length > 0;
  } catch (error) {
    if (error instanceof WasmeError) return false;
    throw error;
  }
}

function isWrittenByUs({ metadata }: KubeObject): boolean {
  return (metadata.managedFields ?? []).some(({ manager }) => manager === OURS);
}

/** A list that others in other namespaces use, too, is only known to who sees all of the cluster. */
async function sweepList({ deps, cluster, without }: Sweep): Promise<void> {
  const { cache, watchNamespaces } = deps.settings;
  if (cache === undefined || watchNamespaces.length > 0) return;
  const list = deps.view.configMaps?.get(cache.namespace, cache.name);
  const title = `${cache.namespace}/${cache.name}`;
  // Who is coming keeps an entry for as long as that takes: to try it again and again is two writes that all nodes hear of.
  const kept = new Set(noticesOn(list, "coming").map(({ key }) => key));
  const stray = entriesOfOurs(list).filter((key) => !kept.has(key) && !isUsed(deps, `${title} ${key}`, key, without));
  if (stray.length === 0) return;
  const owner = without && ownerOf(without);
  const remaining = { over: new Set<string>(), coming: [], from: "operator", owner };
  const { marks, steps } = await planCacheRelease(
    cluster,
    stray.map((key) => ({ cache: title, key })),
    remaining,
  );
  if (steps.length === 0) return;
  await applyPlan(cluster, { steps: ownSteps({ deps }, [...marks, ...steps]) }, { force: true, waits: "stop" });
}

/** The keys that this operator put on the list. */
function entriesOfOurs(list: KubeObject | undefined): readonly string[] {
  const data = stringMapAt(list, "data");
  return (list?.metadata.managedFields ?? [])
    .filter(({ manager }) => manager === OURS)
    .flatMap(({ fieldsV1 }) => {
      const fields = at(fieldsV1, "f:data");
      return isObject(fields) ? Object.keys(fields).map((field) => field.slice("f:".length)) : [];
    })
    .filter((key) => data[key] !== undefined);
}

/** Whether something needs an entry, by what is known here. */
function isUsed(
  { view, announced }: ReconcilerDeps,
  use: string,
  key: string,
  without: KubeObject | undefined,
): boolean {
  const others = (uid: string | undefined): boolean => uid !== without?.metadata.uid;
  const own = without && keyOf(without);
  // In the order of what it takes to find out.
  for (const [who, needed] of announced) if (needed === key && who !== own) return true;
  if (view.filters.some((kind) => kind.list({ index: { name: USE_INDEX, value: use } }).length > 0)) return true;
  const named = view.filterDeployments.list({ index: { name: IMAGE_INDEX, value: key } });
  return named.some(({ metadata }) => others(metadata.uid));
}

const OURS: FieldManager = "wasme-operator";
