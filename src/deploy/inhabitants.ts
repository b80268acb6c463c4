import { Kinds, type ResourceKind } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import { inParallel } from "./in-parallel.ts";
import { refTo } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined } from "./require-access.ts";

/**
 * What is in a namespace besides what `isPart` knows and what Kubernetes puts into every one: a namespace that holds
 * such a thing is not ours to delete. `undefined` when we may not see all of it.
 */
export async function inhabitants(
  deps: ClusterDeps,
  namespace: string,
  isPart: (kind: ResourceKind, item: KubeObject) => boolean,
): Promise<readonly ObjectRef[] | undefined> {
  const { port, signal } = deps;
  const lists = await inParallel(LOOKED_FOR, async (kind) => {
    if (!(await port.served(kind, signal))) return [];
    const listed = await deniedAsUndefined(port.list({ kind, namespace, metadataOnly: true }, signal));
    return listed?.items.filter((item) => !isGiven(kind, item) && !isPart(kind, item)).map((item) => refTo(kind, item));
  });
  return lists.includes(undefined) ? undefined : lists.flatMap((refs) => refs ?? []);
}

/** What Kubernetes, or a mesh, puts into every namespace, and what is only there because of something else. */
function isGiven(kind: ResourceKind, { metadata }: KubeObject): boolean {
  return GIVEN.has(`${kind.kind} ${metadata.name}`);
}

const GIVEN: ReadonlySet<string> = new Set([
  "ConfigMap kube-root-ca.crt",
  "ConfigMap istio-ca-root-cert",
  "ServiceAccount default",
]);

function other(group: string, version: string, kind: string, plural: string): ResourceKind {
  return { group, version, kind, plural, namespaced: true };
}

/** Whatever people put into a namespace: workloads, what they keep, what they may, and what is kept for them. */
const LOOKED_FOR: readonly ResourceKind[] = [
  Kinds.pod,
  Kinds.configMap,
  Kinds.secret,
  Kinds.service,
  Kinds.serviceAccount,
  Kinds.deployment,
  Kinds.daemonSet,
  Kinds.statefulSet,
  Kinds.role,
  Kinds.roleBinding,
  Kinds.lease,
  Kinds.filterDeployment,
  Kinds.envoyFilter,
  Kinds.wasmPlugin,
  Kinds.trafficExtension,
  other("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
  other("", "v1", "ReplicationController", "replicationcontrollers"),
  other("", "v1", "ResourceQuota", "resourcequotas"),
  other("", "v1", "LimitRange", "limitranges"),
  other("apps", "v1", "ReplicaSet", "replicasets"),
  other("batch", "v1", "Job", "jobs"),
  other("batch", "v1", "CronJob", "cronjobs"),
  other("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
  other("networking.k8s.io", "v1", "Ingress", "ingresses"),
  other("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
  other("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
  other("gateway.networking.k8s.io", "v1", "Gateway", "gateways"),
  other("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
];
