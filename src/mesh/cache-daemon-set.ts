import type { JsonObject } from "../domain/json.ts";
import { compact, type KubernetesObject, type ObjectMetadata } from "./kubernetes-object.ts";
import { MODULE_DIRECTORY, MODULE_VOLUME } from "./module-path.ts";
import {
  authMount,
  containerSecurity,
  fieldEnv,
  podAnnotations,
  podPlacement,
  podSecurity,
  type ProgramSettings,
  probes,
} from "./program-objects.ts";

/** How the cache's pods are set up. */
export interface CachePodSettings extends ProgramSettings {
  /**
   * True: modules lie in a directory of the node, for deliveries by file; its pods run as root and need a privileged
   * namespace. False: they lie in the pod's own `emptyDir` and are served over HTTP only, in a restricted namespace.
   */
  readonly files: boolean;
  /** Replaces the program's arguments; probes are left out then, since nothing is known of that program. */
  readonly customCommand?: readonly string[] | undefined;
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
      template: {
        metadata: {
          labels: { ...metadata.labels, ...OUTSIDE_MESH },
          ...(settings.customCommand === undefined ? { annotations: podAnnotations(HTTP_PORT) } : {}),
        },
        spec: podSpec(settings),
      },
    },
  };
}

/** Neither a sidecar nor ambient mode: proxies speak plain HTTP to the cache before they have any certificate. */
const OUTSIDE_MESH = { "sidecar.istio.io/inject": "false", "istio.io/dataplane-mode": "none" };

function podSpec(settings: CachePodSettings): JsonObject {
  const auth = authMount(settings);
  const modules: JsonObject = settings.files
    ? { hostPath: { path: MODULE_DIRECTORY, type: "DirectoryOrCreate" } }
    : { emptyDir: { sizeLimit: "2Gi" } };
  return compact({
    serviceAccountName: settings.name,
    imagePullSecrets: settings.imagePullSecrets,
    ...podPlacement(settings, settings.files ? EVERY_NODE : []),
    // Bodies that are under way end first: a cut one is final for its proxy.
    terminationGracePeriodSeconds: 60,
    securityContext: podSecurity({ root: settings.files }),
    containers: [container(settings, auth.mounts, auth.env)],
    volumes: [{ name: MODULE_VOLUME, ...modules }, { name: "tmp", emptyDir: { sizeLimit: "64Mi" } }, ...auth.volumes],
  });
}

function container(settings: CachePodSettings, mounts: readonly JsonObject[], env: readonly JsonObject[]): JsonObject {
  const { customCommand } = settings;
  return {
    name: "wasme-cache",
    image: settings.image,
    imagePullPolicy: settings.imagePullPolicy,
    args: [...(customCommand ?? defaultArguments(settings))],
    env: [
      fieldEnv("NODE_NAME", "spec.nodeName"),
      fieldEnv("POD_NAME", "metadata.name"),
      fieldEnv("POD_UID", "metadata.uid"),
      { name: "HOME", value: "/tmp" },
      ...env,
    ],
    // The Service goes by this name, whatever the program is.
    ports: [{ name: "http", containerPort: HTTP_PORT }],
    ...(customCommand === undefined ? probes("http") : {}),
    resources: settings.resources ?? RESOURCES,
    securityContext: containerSecurity(),
    volumeMounts: [{ name: MODULE_VOLUME, mountPath: MODULE_DIRECTORY }, { name: "tmp", mountPath: "/tmp" }, ...mounts],
  };
}

function defaultArguments(settings: CachePodSettings): readonly string[] {
  const where = [`--namespace=${settings.namespace}`, `--config-map=${settings.name}`];
  return ["cache", "serve", `--directory=${MODULE_DIRECTORY}`, ...where, `--listen=:${HTTP_PORT}`];
}

/** A file is read on the very node of its proxy, whatever taints that has; over HTTP a neighbour serves it. */
const EVERY_NODE: readonly JsonObject[] = [{ operator: "Exists" }];
const HTTP_PORT = 9110;
const RESOURCES: JsonObject = { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "512Mi" } };
