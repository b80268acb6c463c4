import { type Workload, WORKLOAD_KINDS } from "../domain/workload.ts";
import { Kinds, workloadResource } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { ResourceKind } from "../kube/kinds.ts";
import { inParallel } from "./in-parallel.ts";
import { type Target, targetOf } from "./live-workload.ts";
import { findOldCache, type OldCache } from "./migrate-old-cache.ts";
import { type OldFilter, readOldFilter } from "./migrate-old-filter.ts";
import { stripOldMounts } from "./migrate-old-mounts.ts";
import type { CacheName } from "./cache-name.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined } from "./require-access.ts";
import { hasLabels, labelText } from "./select-workloads.ts";

/** An old filter with the workload it was made for. */
export interface PlacedFilter {
  readonly old: OldFilter;
  readonly target: Target;
}

/** An EnvoyFilter that stays as it is, and why. */
export interface LeftFilter {
  readonly object: KubeObject;
  readonly why: string;
}

/** What of the old tool is in a cluster, or in one namespace of it. */
export interface Survey {
  /** The namespace looked at; `undefined` for all. */
  readonly namespace: string | undefined;
  readonly filters: readonly PlacedFilter[];
  /** Old filters whose workload is gone and that select no pod that is there, whatever runs it. */
  readonly orphans: readonly OldFilter[];
  readonly left: readonly LeftFilter[];
  /** Workloads with the old tool's annotations. */
  readonly mounted: readonly Target[];
  /** Workloads with annotations that name the old volume and cannot be read. */
  readonly unclear: readonly { readonly target: Target; readonly annotations: readonly string[] }[];
  /** Old filters in namespaces that were not looked at; `undefined` when we may not see. */
  readonly elsewhere: number | undefined;
  readonly cache: OldCache;
  readonly filterDeployments: readonly KubeObject[];
}

/**
 * Finds everything the old tool left, in the states its failures leave things in too: nothing is taken for granted
 * of one part because of another. Changes nothing.
 */
export async function surveyOldObjects(
  deps: ClusterDeps,
  where: { readonly namespace: string | undefined; readonly cache: CacheName },
): Promise<Survey> {
  const { namespace } = where;
  const [objects, targets, filterDeployments, cache] = await Promise.all([
    envoyFilters(deps, namespace),
    allTargets(deps, namespace),
    listServed(deps, Kinds.filterDeployment, namespace),
    findOldCache(deps, where.cache),
  ]);
  const readings = objects.inside.flatMap((object) => readOldFilter(object) ?? []);
  const old = readings.flatMap((reading) => (reading.type === "old" ? [reading.filter] : []));
  const unclear = readings.flatMap((reading) => (reading.type === "unclear" ? [reading] : []));
  const placed = await inParallel(
    old.map((filter) => place(filter, targets)),
    (one) => withPods(deps, one),
  );
  const strips = targets.map((target) => ({ target, ...stripOldMounts(target.workload.podAnnotations) }));
  return {
    namespace,
    filters: placed.flatMap((one) => (one.type === "placed" ? [one] : [])).toSorted(byAge),
    orphans: placed.flatMap((one) => (one.type === "orphan" ? [one.old] : [])),
    left: [...unclear, ...placed.flatMap((one) => (one.type === "left" ? [one] : []))],
    mounted: strips.filter(({ changes }) => Object.keys(changes).length > 0).map(({ target }) => target),
    unclear: strips.filter((one) => one.unclear.length > 0).map((one) => ({ ...one, annotations: one.unclear })),
    elsewhere: objects.outside?.filter((object) => readOldFilter(object) !== undefined).length,
    cache,
    filterDeployments,
  };
}

type Placing =
  | ({ readonly type: "placed" } & PlacedFilter)
  | { readonly type: "orphan"; readonly old: OldFilter }
  | ({ readonly type: "left" } & LeftFilter);

/** The workload is the one its name says; of several kinds the one whose pods it selects. */
function place(old: OldFilter, targets: readonly Target[]): Placing {
  const near = targets.filter(({ workload }) => workload.namespace === old.namespace);
  const selects = ({ workload }: Target): boolean => hasLabels(workload.podLabels, old.selector);
  const named = near.filter(({ workload }) => workload.name === old.workload);
  const target = named.find(selects) ?? named[0];
  if (target !== undefined) return { type: "placed", old, target };
  const other = near.find(selects);
  if (other === undefined) return { type: "orphan", old };
  const why = `there is no workload ${old.workload}, and it selects pods of ${titleOf(other.workload)}`;
  return { type: "left", object: old.object, why };
}

/** Pods may be run by what we do not list: a Job, a Rollout, a bare ReplicaSet. Then the filter is nobody's to delete. */
async function withPods(deps: ClusterDeps, placing: Placing): Promise<Placing> {
  if (placing.type !== "orphan") return placing;
  const { namespace, selector, object, workload } = placing.old;
  const selection = { kind: Kinds.pod, namespace, labelSelector: labelText(selector), metadataOnly: true };
  const listed = await deniedAsUndefined(deps.port.list(selection, deps.signal));
  const gone = `there is no workload ${workload}`;
  if (listed === undefined) return { type: "left", object, why: `${gone}, and we may not see whose pods it selects` };
  const pod = listed.items.find(({ metadata }) => metadata.deletionTimestamp === undefined);
  return pod === undefined
    ? placing
    : { type: "left", object, why: `${gone}, and it selects pod ${pod.metadata.name}` };
}

function titleOf(workload: Workload): string {
  return `${workload.kind} ${workload.name}`;
}

/** In the order they were made, which is the order they run in. */
function byAge(a: PlacedFilter, b: PlacedFilter): number {
  const [one, two] = [ageOf(a), ageOf(b)];
  return one === two ? 0 : one < two ? -1 : 1;
}

function ageOf({ old }: PlacedFilter): string {
  const { creationTimestamp, name } = old.object.metadata as { creationTimestamp?: string; name: string };
  return `${creationTimestamp ?? ""} ${name}`;
}

interface Found {
  readonly inside: readonly KubeObject[];
  readonly outside: readonly KubeObject[] | undefined;
}

/** Those of the namespace, and those of all others as far as we may see them. */
async function envoyFilters(deps: ClusterDeps, namespace: string | undefined): Promise<Found> {
  if (namespace === undefined) return { inside: await listServed(deps, Kinds.envoyFilter, undefined), outside: [] };
  const all = await deniedAsUndefined(listServed(deps, Kinds.envoyFilter, undefined));
  const inside = all ?? (await listServed(deps, Kinds.envoyFilter, namespace));
  const isInside = (object: KubeObject): boolean => object.metadata.namespace === namespace;
  return { inside: inside.filter(isInside), outside: all?.filter((object) => !isInside(object)) };
}

async function allTargets(deps: ClusterDeps, namespace: string | undefined): Promise<readonly Target[]> {
  const scope = namespace === undefined ? {} : { namespace };
  const lists = WORKLOAD_KINDS.map(async (kind) => {
    const { items } = await deps.port.list({ kind: workloadResource(kind), ...scope }, deps.signal);
    return items
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .map((item) => targetOf(kind, item, item.metadata.namespace ?? ""));
  });
  return (await Promise.all(lists)).flat();
}

async function listServed(
  deps: ClusterDeps,
  kind: ResourceKind,
  namespace: string | undefined,
): Promise<readonly KubeObject[]> {
  if (!(await deps.port.served(kind, deps.signal))) return [];
  const scope = namespace === undefined ? {} : { namespace };
  return (await deps.port.list({ kind, ...scope }, deps.signal)).items;
}
