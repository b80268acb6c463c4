import type { JsonObject } from "../domain/json.ts";
import { compact, type KubernetesObject, type ObjectMetadata } from "./kubernetes-object.ts";
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

/** How the operator's pods are set up. */
export interface OperatorPodSettings extends ProgramSettings {
  /** Pods that stand by; one of them leads. */
  readonly replicas: number;
  /** The namespaces whose FilterDeployments it looks after; empty: all of the cluster. */
  readonly watchNamespaces: readonly string[];
  /** The node cache it keeps the list of; absent: it uses none. */
  readonly cache: { readonly name: string; readonly namespace: string } | undefined;
}

/** The Deployment of the operator's pods. */
export function operatorDeployment(
  settings: OperatorPodSettings,
  metadata: ObjectMetadata,
  podLabels: Readonly<Record<string, string>>,
): KubernetesObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata,
    spec: {
      replicas: settings.replicas,
      selector: { matchLabels: podLabels },
      template: {
        metadata: {
          labels: { ...metadata.labels, "sidecar.istio.io/inject": "false" },
          annotations: podAnnotations(HTTP_PORT),
        },
        spec: podSpec(settings, podLabels),
      },
    },
  };
}

function podSpec(settings: OperatorPodSettings, podLabels: Readonly<Record<string, string>>): JsonObject {
  const auth = authMount(settings);
  return compact({
    serviceAccountName: settings.name,
    imagePullSecrets: settings.imagePullSecrets,
    ...podPlacement(settings),
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: "kubernetes.io/hostname",
        whenUnsatisfiable: "ScheduleAnyway",
        labelSelector: { matchLabels: podLabels },
      },
    ],
    // What is under way ends first, then the lease is given back.
    terminationGracePeriodSeconds: 60,
    securityContext: podSecurity({ root: false }),
    containers: [container(settings, auth.mounts, auth.env)],
    volumes: [{ name: "tmp", emptyDir: { sizeLimit: "512Mi" } }, ...auth.volumes],
  });
}

function container(
  settings: OperatorPodSettings,
  mounts: readonly JsonObject[],
  env: readonly JsonObject[],
): JsonObject {
  return {
    name: "wasme-operator",
    image: settings.image,
    imagePullPolicy: settings.imagePullPolicy,
    args: [...programArguments(settings)],
    env: [
      fieldEnv("POD_NAME", "metadata.name"),
      fieldEnv("POD_NAMESPACE", "metadata.namespace"),
      { name: "WATCH_NAMESPACES", value: settings.watchNamespaces.join(",") },
      { name: "HOME", value: "/tmp" },
      ...env,
    ],
    ports: [{ name: "http", containerPort: HTTP_PORT }],
    ...probes("http"),
    resources: settings.resources ?? RESOURCES,
    securityContext: containerSecurity(),
    volumeMounts: [{ name: "tmp", mountPath: "/tmp" }, ...mounts],
  };
}

function programArguments({ name, namespace, cache }: OperatorPodSettings): readonly string[] {
  const own = [`--namespace=${namespace}`, `--lease=${name}`, `--listen=:${HTTP_PORT}`];
  const cacheArguments =
    cache === undefined ? ["--no-cache"] : [`--cache-name=${cache.name}`, `--cache-namespace=${cache.namespace}`];
  return ["operator", "run", ...own, ...cacheArguments];
}

const HTTP_PORT = 8080;
const RESOURCES: JsonObject = { requests: { cpu: "50m", memory: "192Mi" }, limits: { memory: "512Mi" } };
