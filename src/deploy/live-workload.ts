import type { Workload, WorkloadKind } from "../domain/workload.ts";
import { isObject } from "../domain/json.ts";
import { at, type KubeObject, listAt, numberAt, stringAt, stringMapAt } from "../kube/objects.ts";
import { PROXY_CONTAINER } from "../mesh/gateway-volumes.ts";
import type { WorkloadEdit } from "./edit-workload.ts";

/** A workload a filter goes to, with the object it was read from. */
export interface Target {
  readonly workload: Workload;
  readonly live: KubeObject;
}

/** Reads the part of a Deployment, DaemonSet or StatefulSet that deploying needs. */
export function targetOf(kind: WorkloadKind, live: KubeObject, namespace: string): Target {
  const template = at(live, "spec", "template");
  return {
    live,
    workload: {
      kind,
      name: live.metadata.name,
      namespace: live.metadata.namespace ?? namespace,
      labels: live.metadata.labels ?? {},
      podLabels: stringMapAt(template, "metadata", "labels"),
      podAnnotations: stringMapAt(template, "metadata", "annotations"),
    },
  };
}

/** How many pods a change of the pod template replaces. */
export function podCount(live: KubeObject): number {
  if (live.kind === "DaemonSet") return numberAt(live, ["status", "desiredNumberScheduled"]);
  return numberAt(live, ["spec", "replicas"], 1);
}

/** True for the pods of a gateway: the proxy is a container of the template itself, not injected beside an application. */
export function isGateway(live: KubeObject): boolean {
  const containers = listAt(live, "spec", "template", "spec", "containers");
  return containers.some((container) => isObject(container) && container["name"] === PROXY_CONTAINER);
}

/** Where the module directory is mounted: into a gateway's own template, or by the sidecar's annotations. */
export function placeOf(live: KubeObject): WorkloadEdit["place"] {
  return isGateway(live) ? "gateway" : "sidecar";
}

/** Why the workload will not replace its pods by itself, with what to do about it; `undefined` when it will. */
export function stuckReason(live: KubeObject): { readonly why: string; readonly hint: string } | undefined {
  const name = `${live.kind.toLowerCase()}/${live.metadata.name}`;
  const where = live.metadata.namespace === undefined ? "" : ` -n ${live.metadata.namespace}`;
  if (at(live, "spec", "paused") === true) {
    return { why: "it is paused", hint: `kubectl rollout resume ${name}${where}` };
  }
  if (stringAt(live, "spec", "updateStrategy", "type") === "OnDelete") {
    return {
      why: "its update strategy is OnDelete",
      hint: `delete its pods, or kubectl rollout restart ${name}${where}`,
    };
  }
  const partition = numberAt(live, ["spec", "updateStrategy", "rollingUpdate", "partition"]);
  if (partition > 0 && partition < podCount(live)) {
    return { why: `its update partition is ${partition}: older pods stay`, hint: `set the partition of ${name} to 0` };
  }
  return undefined;
}

/** The deployment tools that write this object and may take our annotations out again. */
export function deploymentTools(live: KubeObject): readonly string[] {
  const managers = (live.metadata.managedFields ?? []).map((row) => row.manager ?? "");
  return [...new Set(managers.filter((manager) => TOOLS.test(manager)))];
}

const TOOLS = /^(?:argocd|helm|Helm|flux|kustomize-controller|helm-controller)/u;
