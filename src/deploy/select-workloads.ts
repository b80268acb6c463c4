import { WasmeError } from "../domain/errors.ts";
import type { Workload } from "../domain/workload.ts";
import { workloadResource } from "../kube/kinds.ts";
import { type KubeObject, stringMapAt } from "../kube/objects.ts";
import type { KubePort } from "../kube/port.ts";
import { type Target, targetOf } from "./live-workload.ts";
import type { WorkloadQuery } from "./request.ts";

/** The workloads of a kind in a namespace, by name. */
export interface Selected {
  /** Those that a query matches. */
  readonly targets: readonly Target[];
  /** All of them: a filter reaches pods by their labels, whoever's they are. Worked out when it is asked for. */
  readonly all: () => readonly Workload[];
}

/**
 * The workloads of a cluster that a query matches, among their neighbours, in one list. Throws `WORKLOAD_NOT_FOUND`
 * (not-found) when there are none: a deploy that changes nothing must not look like one that worked.
 */
export async function selectWorkloads(
  port: Pick<KubePort, "list">,
  query: WorkloadQuery & { readonly namespace: string },
  signal?: AbortSignal,
): Promise<Selected> {
  const { kind, namespace, labels, names } = query;
  const { items } = await port.list({ kind: workloadResource(kind), namespace }, signal);
  const staying = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const chosen = staying.filter(
    ({ metadata }) => hasLabels(metadata.labels ?? {}, labels) && names?.includes(metadata.name) !== false,
  );
  if (chosen.length === 0) throw noWorkload(query, { neighbours: staying });
  const read = (some: readonly KubeObject[]): readonly Target[] =>
    some
      .map((item) => targetOf(kind, item, namespace))
      .toSorted((a, b) => (a.workload.name < b.workload.name ? -1 : 1));
  return { targets: read(chosen), all: () => read(staying).map(({ workload }) => workload) };
}

/** True when a workload has every label of the query. */
export function hasLabels(labels: Readonly<Record<string, string>>, wanted: WorkloadQuery["labels"]): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

/** `app=web,tier=front`. */
export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

/** The error for a query that matches nothing among its `neighbours`, the workloads of its namespace, or in `manifests`. */
export function noWorkload(
  query: WorkloadQuery,
  { manifests, neighbours = [] }: { readonly manifests?: string; readonly neighbours?: readonly KubeObject[] },
): WasmeError {
  const where = manifests ?? `namespace ${JSON.stringify(query.namespace)}`;
  const labels = labelText(query.labels);
  const what =
    labels === "" ? `there is no ${query.kind} in ${where}` : `no ${query.kind} in ${where} has label ${labels}`;
  const short = { Deployment: "deploy", DaemonSet: "ds", StatefulSet: "sts" }[query.kind];
  const scope = query.namespace === undefined ? "" : ` -n ${query.namespace}`;
  const labelled = neighbours.filter((live) => hasOnPodsOnly(live, query)).map(({ metadata }) => metadata.name);
  const names = labelled.slice(0, NAMED).join(" ");
  const found = `the pods have it, not the ${query.kind}: kubectl label ${short} ${names}${scope} ${labels.replaceAll(",", " ")}`;
  const look =
    manifests === undefined
      ? `kubectl get ${short}${scope} --show-labels`
      : "-l matches the labels of the workload itself, not of its pods";
  return new WasmeError("not-found", "WORKLOAD_NOT_FOUND", what, {
    hint: labelled.length > 0 ? found : `${look}; -t picks another kind, -n another namespace`,
  });
}

/** True when the pods have every label of the query, and nothing but its absence keeps the workload from having it, too. */
function hasOnPodsOnly(live: KubeObject, { labels, names }: WorkloadQuery): boolean {
  const own = live.metadata.labels ?? {};
  const pods = stringMapAt(live, "spec", "template", "metadata", "labels");
  const free = Object.entries(labels).every(([key, value]) => own[key] === undefined || own[key] === value);
  return free && names?.includes(live.metadata.name) !== false && !hasLabels(own, labels) && hasLabels(pods, labels);
}

/** So many workloads are named in a command to copy. */
const NAMED = 5;
