import { WasmeError } from "../domain/errors.ts";
import { workloadResource } from "../kube/kinds.ts";
import type { KubePort } from "../kube/port.ts";
import { type Target, targetOf } from "./live-workload.ts";
import type { WorkloadQuery } from "./request.ts";

/**
 * The workloads of a cluster that a query matches, by name. Throws `WORKLOAD_NOT_FOUND` (not-found) when there are
 * none: a deploy that changes nothing must not look like one that worked.
 */
export async function selectWorkloads(
  port: Pick<KubePort, "list">,
  query: WorkloadQuery & { readonly namespace: string },
  signal?: AbortSignal,
): Promise<readonly Target[]> {
  const selection = {
    kind: workloadResource(query.kind),
    namespace: query.namespace,
    labelSelector: labelText(query.labels),
  };
  const { items } = await port.list(selection, signal);
  const targets = items
    .filter((item) => item.metadata.deletionTimestamp === undefined)
    .filter((item) => query.names?.includes(item.metadata.name) !== false)
    .map((item) => targetOf(query.kind, item, query.namespace));
  if (targets.length === 0) throw noWorkload(query);
  return targets.toSorted((a, b) => (a.workload.name < b.workload.name ? -1 : 1));
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

/** The error for a query that matches nothing. */
export function noWorkload(query: WorkloadQuery, where = `namespace ${JSON.stringify(query.namespace)}`): WasmeError {
  const labels = labelText(query.labels);
  const what =
    labels === "" ? `there is no ${query.kind} in ${where}` : `no ${query.kind} in ${where} has label ${labels}`;
  const short = { Deployment: "deploy", DaemonSet: "ds", StatefulSet: "sts" }[query.kind];
  const scope = query.namespace === undefined ? "" : ` -n ${query.namespace}`;
  return new WasmeError("not-found", "WORKLOAD_NOT_FOUND", what, {
    hint: `kubectl get ${short}${scope} --show-labels; -t picks another kind, -n another namespace`,
  });
}
