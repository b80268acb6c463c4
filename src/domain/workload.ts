/** The kinds a filter can be deployed to. */
export type WorkloadKind = "Deployment" | "DaemonSet" | "StatefulSet";

export const WORKLOAD_KINDS: readonly WorkloadKind[] = ["Deployment", "DaemonSet", "StatefulSet"];

/** A Deployment, DaemonSet or StatefulSet as far as deploying needs it. */
export interface Workload {
  readonly kind: WorkloadKind;
  readonly name: string;
  readonly namespace: string;
  /** The workload's own labels: what `-l` matches. */
  readonly labels: Readonly<Record<string, string>>;
  /** Labels of the pod template: what emitted selectors hold. */
  readonly podLabels: Readonly<Record<string, string>>;
  readonly podAnnotations: Readonly<Record<string, string>>;
}

/** `deployment/web`, as messages name a workload. */
export function workloadTitle(workload: Pick<Workload, "kind" | "name">): string {
  return `${workload.kind.toLowerCase()}/${workload.name}`;
}
