import type { Json, JsonObject } from "../domain/json.ts";
import { compact, type KubernetesObject, type ObjectMetadata } from "./kubernetes-object.ts";
import { MODULE_DIRECTORY, MODULE_VOLUME } from "./module-path.ts";
import { containerSecurity, fieldEnv, podSecurity, probes, type PullPolicy } from "./program-objects.ts";

/** How the cache's pods are set up. */
export interface CachePodSettings {
  /** Name of all objects of the cache. */
  readonly name: string;
  readonly namespace: string;
  /** Image of the cache program, `repository:tag`. */
  readonly image: string;
  readonly imagePullPolicy: PullPolicy;
  /**
   * True: modules lie in a directory of the node, for deliveries by file; its pods run as root and need a privileged
   * namespace. False: they lie in the pod's own `emptyDir` and are served over HTTP only, in a restricted namespace.
   */
  readonly files: boolean;
  /** Name of a Secret in the cache's namespace (`kubernetes.io/dockerconfigjson`) with credentials for all images. */
  readonly authSecret?: string | undefined;
  /** Replaces the program's arguments; probes and ports are left out then, since nothing is known of that program. */
  readonly customCommand?: readonly string[] | undefined;
  /** Pod tolerations, for meshes on tainted nodes. */
  readonly tolerations?: readonly JsonObject[] | undefined;
  /** Priority of its pods; without one a full node may evict them, and their proxies go to a neighbour. */
  readonly priorityClassName?: string | undefined;
  /** Resources of its container, in place of modest ones. */
  readonly resources?: JsonObject | undefined;
}

/**
 * The DaemonSet of the cache's pods. A new pod is ready before the old one ends, so that a node's proxies are never
 * refused while it is updated.
 */
export function cacheDaemonSet(
  settings: CachePodSettings,
  metadata: ObjectMetadata,
  podLabels: Readonly<Record<string, string>>,
): KubernetesObject {
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata,
    spec: {
      selector: { matchLabels: podLabels },
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: "25%" } },
      template: { metadata: { labels: { ...metadata.labels, ...OUTSIDE_MESH } }, spec: podSpec(settings) },
    },
  };
}

/** Neither a sidecar nor ambient mode: proxies speak plain HTTP to the cache before they have any certificate. */
const OUTSIDE_MESH = { "sidecar.istio.io/inject": "false", "istio.io/dataplane-mode": "none" };

function podSpec(settings: CachePodSettings): JsonObject {
  return compact({
    serviceAccountName: settings.name,
    priorityClassName: settings.priorityClassName,
    tolerations: settings.tolerations,
    nodeSelector: { "kubernetes.io/os": "linux" },
    // Bodies that are under way end first: a cut one is final for its proxy.
    terminationGracePeriodSeconds: 60,
    securityContext: podSecurity({ root: settings.files }),
    containers: [container(settings)],
    volumes: volumes(settings),
  });
}

function container(settings: CachePodSettings): JsonObject {
  const { authSecret, customCommand } = settings;
  return compact({
    name: "wasme-cache",
    image: settings.image,
    imagePullPolicy: settings.imagePullPolicy,
    args: [...(customCommand ?? defaultArguments(settings))],
    env: [
      fieldEnv("NODE_NAME", "spec.nodeName"),
      fieldEnv("POD_NAME", "metadata.name"),
      fieldEnv("POD_UID", "metadata.uid"),
      { name: "HOME", value: "/tmp" },
      ...(authSecret === undefined ? [] : [{ name: "DOCKER_CONFIG", value: AUTH_DIRECTORY }]),
    ],
    ...(customCommand === undefined ? { ports: [{ name: "http", containerPort: HTTP_PORT }], ...probes("http") } : {}),
    resources: settings.resources ?? RESOURCES,
    securityContext: containerSecurity(),
    volumeMounts: [
      { name: MODULE_VOLUME, mountPath: MODULE_DIRECTORY },
      { name: "tmp", mountPath: "/tmp" },
      ...(authSecret === undefined ? [] : [{ name: AUTH_VOLUME, mountPath: AUTH_DIRECTORY, readOnly: true }]),
    ],
  });
}

function volumes({ files, authSecret }: CachePodSettings): readonly JsonObject[] {
  const modules: JsonObject = files
    ? { hostPath: { path: MODULE_DIRECTORY, type: "DirectoryOrCreate" } }
    : { emptyDir: { sizeLimit: "5Gi" } };
  const items = [{ key: ".dockerconfigjson", path: "config.json" }];
  const auth = authSecret === undefined ? [] : [{ name: AUTH_VOLUME, secret: { secretName: authSecret, items } }];
  return [{ name: MODULE_VOLUME, ...modules }, { name: "tmp", emptyDir: { sizeLimit: "64Mi" } }, ...auth];
}

function defaultArguments(settings: CachePodSettings): readonly string[] {
  const where = [`--namespace=${settings.namespace}`, `--config-map=${settings.name}`];
  return ["cache", "serve", `--directory=${MODULE_DIRECTORY}`, ...where, `--listen=:${HTTP_PORT}`];
}

const HTTP_PORT = 9110;
const AUTH_VOLUME = "auth";
const AUTH_DIRECTORY = "/etc/wasme/docker";
const RESOURCES: Json = { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "512Mi" } };
