import { type WorkloadKind, WORKLOAD_KINDS } from "../domain/workload.ts";
import { Kinds, type ResourceKind, resourceName, workloadResource } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { ObjectRef, Selection } from "../kube/port.ts";
import { canIHint } from "../kube/status-error.ts";
import { cachePodLabels } from "../mesh/cache-objects.ts";
import { WORKLOAD_KIND_LABEL } from "../mesh/names.ts";
import { NODE_LABEL } from "../mesh/node-report.ts";
import { inParallel } from "./in-parallel.ts";
import { cacheUseOf, type OurObject } from "./our-objects.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined } from "./require-access.ts";
import { labelText } from "./select-workloads.ts";
import type { Denied } from "./status-step.ts";

/** What was read, or that we may not. */
export type Sight<T> = { readonly seen: T } | { readonly denied: Denied };

/** What is read of a namespace with filters. */
export interface SpaceSight {
  readonly labels: Sight<Readonly<Record<string, string>>>;
  readonly live: Sight<KubeObject | undefined>;
  /** The workloads, by kind; only kinds that have filters. */
  readonly workloads: ReadonlyMap<WorkloadKind, Sight<readonly KubeObject[]>>;
  readonly pods: Sight<readonly KubeObject[]>;
}

/** What is read of a node cache. */
export interface CacheView {
  readonly list: Sight<KubeObject | undefined>;
  readonly daemonSet: Sight<KubeObject | undefined>;
  /** By which proxies reach its pods. */
  readonly service: Sight<KubeObject | undefined>;
  readonly pods: Sight<readonly KubeObject[]>;
  readonly reports: Sight<readonly KubeObject[]>;
}

/** Everything that the steps of all filters are told from, each thing read once. */
export interface Survey {
  readonly spaces: ReadonlyMap<string, SpaceSight>;
  /** By `namespace/name`. */
  readonly caches: ReadonlyMap<string, CacheView>;
}

/** Reads what the state of these filters, and of those to be made in other namespaces, is told from. */
export async function survey(
  deps: ClusterDeps,
  objects: readonly OurObject[],
  others: readonly string[],
): Promise<Survey> {
  const namespaces = distinct([...objects.map(({ object }) => object.metadata.namespace ?? ""), ...others]);
  const caches = distinct(objects.flatMap(({ object }) => cacheUseOf(object)?.cache ?? []));
  const [spaces, views] = await Promise.all([
    inParallel(namespaces, (namespace) => readSpace(deps, namespace, objects)),
    inParallel(caches, (title) => readCacheView(deps, title)),
  ]);
  return {
    spaces: new Map(namespaces.map((namespace, at) => [namespace, spaces[at]] as const).filter(isThere)),
    caches: new Map(caches.map((title, at) => [title, views[at]] as const).filter(isThere)),
  };
}

async function readSpace(deps: ClusterDeps, namespace: string, objects: readonly OurObject[]): Promise<SpaceSight> {
  const words = objects
    .filter(({ object }) => object.metadata.namespace === namespace)
    .map(({ object }) => object.metadata.labels?.[WORKLOAD_KIND_LABEL]);
  const kinds = WORKLOAD_KINDS.filter((kind) => words.includes(kind.toLowerCase()));
  const [live, pods, ...workloads] = await Promise.all([
    read(deps, { kind: Kinds.namespace, name: namespace }),
    list(deps, { kind: Kinds.pod, namespace }),
    ...kinds.map((kind) => list(deps, { kind: workloadResource(kind), namespace })),
  ]);
  const labels = "denied" in live ? live : { seen: live.seen?.metadata.labels ?? {} };
  return {
    labels,
    live,
    pods,
    workloads: new Map(kinds.map((kind, at) => [kind, workloads[at]] as const).filter(isThere)),
  };
}

async function readCacheView(deps: ClusterDeps, title: string): Promise<CacheView> {
  const [namespace = "", name = ""] = title.split("/");
  const labels = labelText(cachePodLabels({ name }));
  const [map, daemonSet, service, pods, reports] = await Promise.all([
    read(deps, { kind: Kinds.configMap, namespace, name }),
    read(deps, { kind: Kinds.daemonSet, namespace, name }),
    read(deps, { kind: Kinds.service, namespace, name }),
    list(deps, { kind: Kinds.pod, namespace, labelSelector: labels }),
    list(deps, { kind: Kinds.configMap, namespace, labelSelector: `${labels},${NODE_LABEL}` }),
  ]);
  return { list: map, daemonSet, service, pods, reports };
}

/** Reads one object; `undefined` is "there is none". */
async function read(deps: ClusterDeps, ref: ObjectRef): Promise<Sight<KubeObject | undefined>> {
  const found = await deniedAsUndefined(deps.port.get(ref, deps.signal).then((seen) => ({ seen })));
  return found ?? { denied: deniedTo("get", ref.kind, ref.namespace) };
}

/** Reads a list. */
export async function list(deps: ClusterDeps, selection: Selection): Promise<Sight<readonly KubeObject[]>> {
  const found = await deniedAsUndefined(deps.port.list(selection, deps.signal));
  return found === undefined
    ? { denied: deniedTo("list", selection.kind, selection.namespace) }
    : { seen: found.items };
}

/** In words: what we may not do, and the command that asks the server. */
export function deniedTo(verb: string, kind: ResourceKind, namespace: string | undefined): Denied {
  const where = namespace === undefined ? "" : ` in namespace ${JSON.stringify(namespace)}`;
  const fix = `${canIHint({ verb, kind, namespace })} shows it; ask for a role with that verb`;
  return { message: `not allowed to ${verb} ${resourceName(kind)}${where}: cannot tell`, fix };
}

function distinct(words: readonly string[]): readonly string[] {
  return [...new Set(words)];
}

function isThere<K, V>(entry: readonly [K, V | undefined]): entry is readonly [K, V] {
  return entry[1] !== undefined;
}
