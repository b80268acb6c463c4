import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { digestOf } from "../../src/domain/digest.ts";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import type { ResolvedImage } from "../../src/domain/resolved-image.ts";
import { deployIstio, type DeployResult } from "../../src/deploy/deploy-istio.ts";
import type { DeployDeps, DeployRequest, UndeployRequest } from "../../src/deploy/request.ts";
import { undeployIstio, type UndeployResult } from "../../src/deploy/undeploy-istio.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { waitFor } from "../components/wait.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { type Reporter, startReporter } from "./deploy-reporter.ts";
import type { ClusterClient, KubeObject, PolicyRule } from "../cluster/api.ts";

/** An image as a registry would describe it; the name decides its digests. */
export function imageOf(text: string, more: Partial<ResolvedImage> = {}): ResolvedImage {
  return {
    reference: parseImageReference(text),
    source: "registry",
    format: "oci",
    manifestDigest: digestOf(`manifest of ${text}`),
    moduleDigest: digestOf(`module of ${text}`),
    moduleSize: 1234,
    runtimeConfig: { type: "envoy_proxy", abiVersions: ["v0.2.1"], config: { rootIds: ["my_root"] } },
    ...more,
  };
}

/** A namespace with its own node cache, and the two use cases as a user of it runs them. */
export interface Bench {
  readonly namespace: string;
  readonly cacheNamespace: string;
  readonly events: ProgressEvent[];
  /** What the nodes of its cache say. */
  readonly nodes: Reporter;
  deploy(more?: Partial<DeployRequest>, image?: ResolvedImage): Promise<DeployResult>;
  undeploy(more?: Partial<UndeployRequest>): Promise<UndeployResult>;
  /** The same with the rights of a limited account. */
  as(kubeconfig: string): Bench;
  /** Path of the API below the namespace: `apps/v1` and `deployments/web`. */
  read<T = KubeObject>(group: string, path: string): Promise<T>;
  status(group: string, path: string): Promise<number>;
  /** Tries, failures included, until it holds; half a minute at most. */
  eventually(holds: () => Promise<boolean>): Promise<void>;
}

/** What {@link Bench.deploy} asks for. */
export function requestFor(
  bench: Pick<Bench, "namespace" | "cacheNamespace">,
  more: Partial<DeployRequest> = {},
): DeployRequest {
  return { ...requestIn(bench), ...more };
}

/** What {@link Bench.undeploy} asks for. */
export function undeployFor(
  bench: Pick<Bench, "namespace" | "cacheNamespace">,
  more: Partial<UndeployRequest> = {},
): UndeployRequest {
  return { ...undeployIn(bench), ...more };
}

/** Opens a bench in a fresh namespace; its node cache goes at once with its last filter, unless it rests as it does by default. */
export async function openBench(
  client: ClusterClient,
  prefix: string,
  { cacheRests = false }: { readonly cacheRests?: boolean } = {},
): Promise<Bench> {
  const namespace = await client.namespace(prefix);
  const cacheNamespace = `${namespace}-cache`;
  return benchIn(client, {
    namespace,
    cacheNamespace,
    nodes: startReporter(client, cacheNamespace),
    kubeconfig: await client.adminKubeconfig(namespace),
    cacheRestMs: cacheRests ? undefined : 0,
  });
}

interface Place {
  readonly namespace: string;
  readonly cacheNamespace: string;
  readonly kubeconfig: string;
  readonly nodes: Reporter;
  readonly cacheRestMs: number | undefined;
}

function benchIn(client: ClusterClient, place: Place): Bench {
  const events: ProgressEvent[] = [];
  const sink = (event: ProgressEvent): void => void events.push(event);
  const deps = (image: ResolvedImage): DeployDeps => ({
    connect: () => connectCluster({ clock: systemClock, events: sink }, { file: place.kubeconfig, env: {}, cwd: "/" }),
    resolveImage: async () => image,
    readModule: async () => await readFile(HELLO_WASM),
    readStdin: async () => "",
    clock: systemClock,
    cwd: "/",
    cacheRestMs: place.cacheRestMs,
  });
  const base = (group: string): string =>
    `${group === "v1" ? "/api/v1" : `/apis/${group}`}/namespaces/${place.namespace}`;
  const defaultImage = imageOf("registry.example.com/team/hello:v1");
  return {
    namespace: place.namespace,
    cacheNamespace: place.cacheNamespace,
    nodes: place.nodes,
    events,
    deploy: (more = {}, image = defaultImage) => deployIstio(deps(image), { ...requestIn(place), ...more }, sink),
    undeploy: (more = {}) => undeployIstio(deps(defaultImage), { ...undeployIn(place), ...more }, sink),
    as: (kubeconfig) => benchIn(client, { ...place, kubeconfig }),
    read: async (group, path) => {
      const { status, body } = await client.request(`GET`, `${base(group)}/${path}`);
      if (status !== 200) throw new Error(`GET ${group} ${path}: ${status}`);
      return body as never;
    },
    status: async (group, path) => (await client.request("GET", `${base(group)}/${path}`)).status,
    eventually: async (holds) => {
      await waitFor("it to hold", async () => ((await holds().catch(() => false)) ? true : undefined), {
        deadlineMs: 30_000,
      });
    },
  };
}

function requestIn(place: Pick<Place, "namespace" | "cacheNamespace">): DeployRequest {
  return {
    image: parseImageReference("registry.example.com/team/hello:v1"),
    id: "hello",
    config: undefined,
    rootId: undefined,
    patchContext: "inbound",
    priority: 10,
    failurePolicy: "closed",
    phase: undefined,
    workloads: { kind: "Deployment", namespace: place.namespace, labels: {} },
    via: "envoyfilter",
    delivery: "auto",
    pullSecret: undefined,
    cache: {
      name: "wasme-cache",
      namespace: place.cacheNamespace,
      image: "registry.example.com/wasme:0.1.0",
      imagePullPolicy: "IfNotPresent",
      timeoutMs: 30_000,
    },
    check: true,
    dryRun: undefined,
    manifests: [],
    forceConflicts: false,
    wait: true,
    timeoutMs: 30_000,
  };
}

function undeployIn(place: Pick<Place, "namespace" | "cacheNamespace">): UndeployRequest {
  return {
    id: "hello",
    workloads: { kind: "Deployment", namespace: place.namespace, labels: {} },
    dryRun: undefined,
    wait: true,
    timeoutMs: 30_000,
    cache: { name: "wasme-cache", namespace: place.cacheNamespace },
  };
}

/** What a test workload looks like. */
export interface WorkloadShape {
  readonly name?: string;
  readonly kind?: "Deployment" | "DaemonSet" | "StatefulSet";
  readonly replicas?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly containers?: readonly string[];
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** A workload whose pods the test cluster's fake nodes run. */
export function workload(namespace: string, shape: WorkloadShape = {}): KubeObject {
  const { name = "web", kind = "Deployment", replicas = 2, containers = ["app"] } = shape;
  const labels = { app: name, ...shape.labels };
  const template = {
    metadata: { labels: { app: name, version: "v1" }, annotations: { ...shape.annotations } },
    spec: { containers: containers.map((container) => ({ name: container, image: "registry.example.com/app:1" })) },
  };
  const selector = { matchLabels: { app: name } };
  const extra = kind === "DaemonSet" ? {} : { replicas, ...(kind === "StatefulSet" ? { serviceName: name } : {}) };
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { name, namespace, labels },
    spec: { selector, template, ...extra, ...shape.spec },
  };
}

/** Annotations of a workload's pod template. */
export function templateAnnotations(object: unknown): Readonly<Record<string, string>> {
  const { spec } = object as { spec: { template: { metadata: { annotations?: Record<string, string> } } } };
  return spec.template.metadata.annotations ?? {};
}

/**
 * The rules the guide says a deploy by EnvoyFilter needs when the cache is installed: in the workloads' namespace, and
 * in the cache's. They are read from its YAML blocks, so that what is tested is what is written.
 */
export async function documentedRules(): Promise<{ deploy: readonly PolicyRule[]; cache: readonly PolicyRule[] }> {
  const guide = await readFile(new URL("../../docs/guide/deploy-istio.md", import.meta.url), "utf8");
  const blocks = [...guide.matchAll(/^```yaml\n(rules:\n[^`]*)```$/gmu)].map(
    (match) => parse(match[1] ?? "") as { rules: PolicyRule[] },
  );
  const [deploy, cache] = blocks;
  if (deploy === undefined || cache === undefined) throw new Error("the guide has no two blocks of rules");
  return { deploy: deploy.rules, cache: cache.rules };
}
