import type { Json, JsonObject } from "../domain/json.ts";
import type { KubernetesObject, ObjectMetadata } from "./kubernetes-object.ts";

/** When the kubelet pulls a program's image. */
export type PullPolicy = "Always" | "IfNotPresent" | "Never";

/** The user and group that wasme's programs run as in a cluster: nobody's, and not root's. */
const PROGRAM_USER = 65532;

/** What the pods of every program of wasme are made of. */
export interface ProgramSettings {
  /** Name of the program's objects. */
  readonly name: string;
  readonly namespace: string;
  /** Its image, `repository:tag`. */
  readonly image: string;
  readonly imagePullPolicy: PullPolicy;
  /** References (`name`) to Secrets in its namespace with which nodes pull the program's own image. */
  readonly imagePullSecrets?: readonly JsonObject[] | undefined;
  /** Name of a Secret in its namespace (`kubernetes.io/dockerconfigjson`) with credentials for all filter images. */
  readonly authSecret?: string | undefined;
  /** Pod tolerations, for tainted nodes; an empty list is none. */
  readonly tolerations?: readonly JsonObject[] | undefined;
  /** Labels of the nodes its pods may run on, in place of that of Linux. */
  readonly nodeSelector?: JsonObject | undefined;
  /** Affinity of its pods. */
  readonly affinity?: JsonObject | undefined;
  /** Priority of its pods; without one a full node may evict them. */
  readonly priorityClassName?: string | undefined;
  /** Resources of its container, in place of modest ones. */
  readonly resources?: JsonObject | undefined;
}

/** A rule of RBAC, always with lists as RBAC has them. */
export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** What may be done to resources of one group; `names` confines it to objects of these names, unless it is empty. */
export function rule(
  group: string,
  resources: string | readonly string[],
  verbs: readonly string[],
  names: readonly string[] = [],
): PolicyRule {
  const confined = names.length === 0 ? {} : { resourceNames: names };
  return { apiGroups: [group], resources: typeof resources === "string" ? [resources] : resources, ...confined, verbs };
}

/** A role and its binding to a service account: in `metadata`'s namespace, or without one in the whole cluster. */
export function boundRole(
  metadata: ObjectMetadata,
  rules: readonly PolicyRule[],
  account: { readonly name: string; readonly namespace: string },
): readonly KubernetesObject[] {
  const kind = metadata.namespace === undefined ? "ClusterRole" : "Role";
  const subjects = [{ kind: "ServiceAccount", name: account.name, namespace: account.namespace }];
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind, name: metadata.name };
  return [
    { apiVersion: "rbac.authorization.k8s.io/v1", kind, metadata, rules },
    { apiVersion: "rbac.authorization.k8s.io/v1", kind: `${kind}Binding`, metadata, subjects, roleRef },
  ];
}

/** What Pod Security's level "restricted" asks of a pod; as root it is all of it but the user. */
export function podSecurity({ root }: { readonly root: boolean }): JsonObject {
  const user = root ? 0 : PROGRAM_USER;
  return {
    runAsNonRoot: !root,
    runAsUser: user,
    runAsGroup: user,
    ...(root ? {} : { fsGroup: PROGRAM_USER }),
    seccompProfile: { type: "RuntimeDefault" },
  };
}

/** The same for a container. Even root has no capability: it only owns what the kubelet makes for it. */
export function containerSecurity(): JsonObject {
  return { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } };
}

/** On which nodes a program's pods run, and before which others; `tolerations` are those to take where none are given. */
export function podPlacement(
  settings: Pick<ProgramSettings, "priorityClassName" | "tolerations" | "nodeSelector" | "affinity">,
  tolerations: readonly JsonObject[] = [],
): Readonly<Record<string, Json | undefined>> {
  const { priorityClassName, nodeSelector = LINUX, affinity } = settings;
  const tolerated = settings.tolerations ?? tolerations;
  return {
    priorityClassName,
    tolerations: tolerated.length === 0 ? undefined : tolerated,
    nodeSelector,
    affinity,
  };
}

const LINUX: JsonObject = { "kubernetes.io/os": "linux" };

/** A variable with a field of the pod. */
export function fieldEnv(name: string, fieldPath: string): JsonObject {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

/** Probes of the health server that all long-running programs have; a slow start is no reason to be killed. */
export function probes(port: string): Readonly<Record<string, Json>> {
  const get = (path: string): JsonObject => ({ httpGet: { path, port } });
  return {
    startupProbe: { ...get("/healthz"), periodSeconds: 2, failureThreshold: 60 },
    readinessProbe: { ...get("/readyz"), periodSeconds: 2, failureThreshold: 2 },
    livenessProbe: { ...get("/healthz"), periodSeconds: 10, timeoutSeconds: 5 },
  };
}

/** Where common ways to set up Prometheus look for metrics. */
export function podAnnotations(port: number): Readonly<Record<string, string>> {
  return { "prometheus.io/scrape": "true", "prometheus.io/port": String(port), "prometheus.io/path": "/metrics" };
}

/** How credentials get into a container: as the `config.json` of a Docker folder. Nothing without a Secret. */
export function authMount({ authSecret }: Pick<ProgramSettings, "authSecret">): {
  readonly env: readonly JsonObject[];
  readonly mounts: readonly JsonObject[];
  readonly volumes: readonly JsonObject[];
} {
  if (authSecret === undefined) return { env: [], mounts: [], volumes: [] };
  const name = "auth";
  const directory = "/etc/wasme/docker";
  const items = [{ key: ".dockerconfigjson", path: "config.json" }];
  return {
    env: [{ name: "DOCKER_CONFIG", value: directory }],
    mounts: [{ name, mountPath: directory, readOnly: true }],
    volumes: [{ name, secret: { secretName: authSecret, items } }],
  };
}
