import { digestParts } from "../domain/digest.ts";
import { formatReference, withDigest } from "../domain/image-reference.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { compact, type KubernetesObject, type ObjectMetadata } from "./kubernetes-object.ts";
import { MODULE_DIRECTORY, MODULE_VOLUME } from "./module-path.ts";
import { MANAGED_BY, MANAGED_BY_LABEL } from "./names.ts";

/** How the node cache is set up. */
export interface CacheSettings {
  /** Name of all its objects. */
  readonly name: string;
  readonly namespace: string;
  /** Image of the cache program, `repository:tag`. */
  readonly image: string;
  readonly imagePullPolicy: "Always" | "IfNotPresent" | "Never";
  /** Replaces the program's arguments; probes and ports are left out then, since nothing is known of that program. */
  readonly customCommand?: readonly string[] | undefined;
  /** Pod tolerations, for meshes on tainted nodes. */
  readonly tolerations?: readonly JsonObject[] | undefined;
}

const NAME_LABEL = "app.kubernetes.io/name";
const INSTANCE_LABEL = "app.kubernetes.io/instance";
const PROGRAM = "wasme-cache";
const HTTP_PORT = 9110;

/** Everything but the entries, in the order to create it; removal goes the other way. All fit for server-side apply. */
export function buildCacheObjects(settings: CacheSettings): readonly KubernetesObject[] {
  return [
    cacheNamespace(settings),
    { apiVersion: "v1", kind: "ConfigMap", metadata: metadata(settings) },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: metadata(settings) },
    cacheRole(settings),
    cacheRoleBinding(settings),
    cacheDaemonSet(settings),
  ];
}

/** One entry of the cache's ConfigMap: the image that every node is to hold. */
export interface CacheEntry {
  readonly key: string;
  readonly value: string;
}

/**
 * The entry of an image: a key of its own per manifest digest, so that writers do not overwrite each other, and the
 * pinned reference as its value. Write it with a merge patch ({@link cacheEntryPatch}); a server-side apply of one
 * entry would drop the others.
 */
export function cacheEntry(image: Pick<ResolvedImage, "reference" | "manifestDigest">): CacheEntry {
  const { algorithm, hex } = digestParts(image.manifestDigest);
  return { key: `${algorithm}-${hex}`, value: formatReference(withDigest(image.reference, image.manifestDigest)) };
}

/** The merge patch of the ConfigMap that adds (or with `null` removes) entries. */
export function cacheEntryPatch(
  entries: readonly { readonly key: string; readonly value: string | null }[],
): JsonObject {
  return { data: Object.fromEntries(entries.map(({ key, value }) => [key, value])) };
}

/** Labels that only the cache's own pods have. */
export function cachePodLabels(settings: Pick<CacheSettings, "name">): Readonly<Record<string, string>> {
  return { [NAME_LABEL]: PROGRAM, [INSTANCE_LABEL]: settings.name };
}

function metadata(settings: CacheSettings): ObjectMetadata {
  const labels = { ...cachePodLabels(settings), [MANAGED_BY_LABEL]: MANAGED_BY };
  return { name: settings.name, namespace: settings.namespace, labels };
}

/** Pod Security must let the one hostPath volume pass; sidecars have no business here. */
function cacheNamespace(settings: CacheSettings): KubernetesObject {
  const labels = {
    [MANAGED_BY_LABEL]: MANAGED_BY,
    "istio-injection": "disabled",
    "pod-security.kubernetes.io/enforce": "privileged",
  };
  return { apiVersion: "v1", kind: "Namespace", metadata: { name: settings.namespace, labels } };
}

function cacheRole(settings: CacheSettings): KubernetesObject {
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    metadata: metadata(settings),
    rules: [
      { apiGroups: [""], resources: ["configmaps"], resourceNames: [settings.name], verbs: ["get", "list", "watch"] },
      { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
      { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create", "patch"] },
    ],
  };
}

function cacheRoleBinding(settings: CacheSettings): KubernetesObject {
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: metadata(settings),
    subjects: [{ kind: "ServiceAccount", name: settings.name, namespace: settings.namespace }],
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: settings.name },
  };
}

function cacheDaemonSet(settings: CacheSettings): KubernetesObject {
  const labels = { ...cachePodLabels(settings), [MANAGED_BY_LABEL]: MANAGED_BY, "sidecar.istio.io/inject": "false" };
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: metadata(settings),
    spec: {
      selector: { matchLabels: cachePodLabels(settings) },
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "25%" } },
      template: { metadata: { labels }, spec: cachePodSpec(settings) },
    },
  };
}

function cachePodSpec(settings: CacheSettings): JsonObject {
  return compact({
    serviceAccountName: settings.name,
    tolerations: settings.tolerations,
    containers: [cacheContainer(settings)],
    volumes: [
      { name: MODULE_VOLUME, hostPath: { path: MODULE_DIRECTORY, type: "DirectoryOrCreate" } },
      { name: "tmp", emptyDir: {} },
    ],
  });
}

/** Root without any capability: kubelet makes the directory for root alone, and everybody may read what is in it. */
function cacheContainer(settings: CacheSettings): JsonObject {
  return compact({
    name: PROGRAM,
    image: settings.image,
    imagePullPolicy: settings.imagePullPolicy,
    args: [...(settings.customCommand ?? defaultArguments(settings))],
    env: [{ name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }],
    ...(settings.customCommand === undefined ? PROBES : {}),
    resources: { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "256Mi" } },
    securityContext: {
      runAsUser: 0,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    },
    volumeMounts: [
      { name: MODULE_VOLUME, mountPath: MODULE_DIRECTORY },
      { name: "tmp", mountPath: "/tmp" },
    ],
  });
}

function defaultArguments(settings: CacheSettings): readonly string[] {
  const where = [`--namespace=${settings.namespace}`, `--config-map=${settings.name}`];
  return ["cache", "serve", `--directory=${MODULE_DIRECTORY}`, ...where, `--listen=:${HTTP_PORT}`];
}

const PROBES: Readonly<Record<string, Json>> = {
  ports: [{ name: "http", containerPort: HTTP_PORT }],
  readinessProbe: { httpGet: { path: "/readyz", port: "http" }, periodSeconds: 2 },
  livenessProbe: { httpGet: { path: "/healthz", port: "http" }, periodSeconds: 10 },
};
