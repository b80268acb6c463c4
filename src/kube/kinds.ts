import type { WorkloadKind } from "../domain/workload.ts";

/** A kind of object and where the API server serves it. */
export interface ResourceKind {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Lower-case plural: the word in paths and RBAC rules. */
  readonly plural: string;
  readonly namespaced: boolean;
}

/** The names of {@link Kinds}. */
export type KindName =
  | "namespace"
  | "configMap"
  | "serviceAccount"
  | "service"
  | "secret"
  | "pod"
  | "event"
  | "lease"
  | "endpointSlice"
  | "node"
  | "deployment"
  | "daemonSet"
  | "statefulSet"
  | "role"
  | "roleBinding"
  | "clusterRole"
  | "clusterRoleBinding"
  | "customResourceDefinition"
  | "filterDeployment"
  | "envoyFilter"
  | "wasmPlugin"
  | "trafficExtension";

/** Every kind wasme reads or writes. */
export const Kinds: Readonly<Record<KindName, ResourceKind>> = {
  namespace: core("Namespace", "namespaces", false),
  configMap: core("ConfigMap", "configmaps"),
  serviceAccount: core("ServiceAccount", "serviceaccounts"),
  service: core("Service", "services"),
  secret: core("Secret", "secrets"),
  pod: core("Pod", "pods"),
  node: core("Node", "nodes", false),
  event: kind("events.k8s.io", "v1", "Event", "events"),
  lease: kind("coordination.k8s.io", "v1", "Lease", "leases"),
  endpointSlice: kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
  deployment: kind("apps", "v1", "Deployment", "deployments"),
  daemonSet: kind("apps", "v1", "DaemonSet", "daemonsets"),
  statefulSet: kind("apps", "v1", "StatefulSet", "statefulsets"),
  role: kind("rbac.authorization.k8s.io", "v1", "Role", "roles"),
  roleBinding: kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
  clusterRole: kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", false),
  clusterRoleBinding: kind("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", false),
  customResourceDefinition: kind(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    false,
  ),
  filterDeployment: kind("wasme.io", "v1", "FilterDeployment", "filterdeployments"),
  envoyFilter: kind("networking.istio.io", "v1alpha3", "EnvoyFilter", "envoyfilters"),
  wasmPlugin: kind("extensions.istio.io", "v1alpha1", "WasmPlugin", "wasmplugins"),
  trafficExtension: kind("extensions.istio.io", "v1alpha1", "TrafficExtension", "trafficextensions"),
};

/** The API kind of a workload. */
export function workloadResource(workload: WorkloadKind): ResourceKind {
  const resources = { Deployment: Kinds.deployment, DaemonSet: Kinds.daemonSet, StatefulSet: Kinds.statefulSet };
  return resources[workload];
}

/** The kind of an object by its `apiVersion` and `kind`, if it is one of {@link Kinds}. */
export function kindOf(object: { readonly apiVersion: string; readonly kind: string }): ResourceKind | undefined {
  return Object.values(Kinds).find((known) => known.kind === object.kind && apiVersion(known) === object.apiVersion);
}

/** `apps/v1`, or `v1` for the core group: the `apiVersion` of its objects. */
export function apiVersion(resource: ResourceKind): string {
  return resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
}

/** `deployments.apps`, as RBAC and `kubectl auth can-i` name it. */
export function resourceName(resource: ResourceKind): string {
  return resource.group === "" ? resource.plural : `${resource.plural}.${resource.group}`;
}

function core(name: string, plural: string, namespaced = true): ResourceKind {
  return { group: "", version: "v1", kind: name, plural, namespaced };
}

function kind(group: string, version: string, name: string, plural: string, namespaced = true): ResourceKind {
  return { group, version, kind: name, plural, namespaced };
}
