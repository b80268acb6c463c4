import { readFile } from "node:fs/promises";
import { digestOf } from "../../src/domain/digest.ts";
import { parseImageReference, withDigest, formatReference } from "../../src/domain/image-reference.ts";
import { createMetrics } from "../../src/controller/metrics.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import { buildCacheObjects, cacheEntry } from "../../src/mesh/cache-objects.ts";
import { kindOf } from "../../src/kube/kinds.ts";
import { filterDeploymentCrd } from "../../src/mesh/filter-deployment-crd.ts";
import { formatEntryReport } from "../../src/mesh/node-report.ts";
import { runOperator } from "../../src/operator/run-operator.ts";
import type { OperatorSettings } from "../../src/operator/settings.ts";
import { CONTROLLER } from "../../src/operator/work.ts";
import { type SteadyClock, systemClock } from "../../src/platform/clock.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import type { KubeObject } from "../cluster/api.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { type RegistryOptions, type RunningRegistry, startRegistry } from "../components/registry.ts";
import { waitFor } from "../components/wait.ts";
import { knownLayouts } from "../support/layouts.ts";
import { type MemoryLog, memoryLog } from "../support/memory-log.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { putRemote } from "../support/remote-layouts.ts";

/** Where the node cache of these tests is. */
export const CACHE = { name: "wasme-cache", namespace: "wasme" };
/** Group and version in paths of the API. */
const APPS = "apps/v1";
export const ISTIO = "networking.istio.io/v1alpha3";
export const PLUGINS = "extensions.istio.io/v1alpha1";
export const WASME = "wasme.io/v1";

/** An image as it was pushed. */
export interface PushedImage {
  readonly reference: string;
  /** With its digest. */
  readonly pinned: string;
  readonly moduleDigest: string;
  /** Its key in the cache's list. */
  readonly key: string;
}

/** A registry of real images. */
export interface ImageRegistry {
  readonly host: string;
  readonly running: RunningRegistry;
  /** Pushes a loadable module that differs by `text`; with `module` those bytes. */
  push(name: string, text: string, module?: Uint8Array): Promise<PushedImage>;
  stop(): Promise<void>;
}

/** Starts one. */
export async function startImages(options: RegistryOptions = {}): Promise<ImageRegistry> {
  const running = await startRegistry(options);
  const { user } = running;
  const credentials = user && { kind: "basic" as const, username: user.username, password: user.password };
  const client = createRegistryClient({
    env: {},
    ...(credentials === undefined ? {} : { credentials: () => Promise.resolve(credentials) }),
  });
  const base = await readFile(HELLO_WASM);
  return {
    host: running.host,
    running,
    push: async (name, text, module = withSection(base, text)) => {
      const layout = knownLayouts(module, RUNTIME_CONFIG)["solo, two layers"];
      if (layout === undefined) throw new Error("there is no such layout");
      const descriptor = await putRemote(client, `${running.host}/${name}`, layout);
      const reference = parseImageReference(`${running.host}/${name}`);
      const { key, value } = cacheEntry({ reference, manifestDigest: descriptor.digest });
      return {
        reference: formatReference(reference),
        pinned: formatReference(withDigest(reference, descriptor.digest)),
        moduleDigest: digestOf(module),
        key: value === "" ? "" : key,
      };
    },
    stop: async () => {
      client.close();
      await running.stop();
    },
  };
}

const RUNTIME_CONFIG = JSON.stringify({
  type: "envoy_proxy",
  abiVersions: ["v0.2.1"],
  config: { rootIds: ["my_root"] },
});

/** The module with a custom section: the same code, other bytes. */
function withSection(base: Uint8Array, text: string): Uint8Array {
  const body = Buffer.from([3, ...Buffer.from("pad"), ...Buffer.from(text.slice(0, 100))]);
  return Buffer.concat([base, Buffer.from([0, body.length]), body]);
}

/** Installs the kind FilterDeployment and, unless told not to, the node cache's objects. */
export async function installKinds(client: Cluster, cache = true): Promise<void> {
  await client.apply({ ...filterDeploymentCrd, metadata: { ...filterDeploymentCrd.metadata } });
  await waitFor("FilterDeployment to be served", async () =>
    (await client.request("GET", "/apis/wasme.io/v1/filterdeployments")).status === 200 ? true : undefined,
  );
  if (cache) await installCache(client, true);
}

/**
 * Installs the node cache as a deploy from the command line makes it: such a one the operator must use and leave alone.
 * Its pods run no program: see {@link startReporter}. `without`: a kind that is left out.
 */
export async function installCache(client: Cluster, files: boolean, without?: string): Promise<void> {
  const settings = { ...CACHE, image: "example.com/wasme:1", imagePullPolicy: "IfNotPresent", files } as const;
  const deps = { clock: systemClock, events: () => undefined, fieldManager: "wasme-cli" } as const;
  const port = await connectCluster(deps, { file: client.kubeconfigPath, env: {}, cwd: "/" });
  for (const object of buildCacheObjects(settings)) {
    const kind = kindOf(object);
    if (kind !== undefined && kind.kind !== without) await port.apply(kind, object, { force: true });
  }
  port.close();
  await client.eventually<{ status?: { numberAvailable?: number } }>(
    `/apis/apps/v1/namespaces/${CACHE.namespace}/daemonsets/${CACHE.name}`,
    ({ status }) => (status?.numberAvailable ?? 0) > 0,
  );
}

/** Reports in place of the caches' programs. */
export interface Reporter {
  /** While false, nothing new is reported. */
  reports: boolean;
  stop(): Promise<void>;
}

interface CachePod {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly spec: { readonly nodeName?: string };
}

/** Plays the node caches: reports whatever is listed as ready, on every node with a cache pod. */
export function startReporter(client: Cluster): Reporter {
  const base = `/api/v1/namespaces/${CACHE.namespace}`;
  const reporter = { reports: true, stop: async () => undefined as void };
  const ending = new AbortController();
  let said = "";
  const report = async (): Promise<void> => {
    const list = await client.request<{ data?: Record<string, string> }>("GET", `${base}/configmaps/${CACHE.name}`);
    const pods = await client.request<{ items: CachePod[] }>("GET", `${base}/pods`);
    if (list.status !== 200 || pods.status !== 200) return;
    const data = list.body.data ?? {};
    const text = JSON.stringify([data, pods.body.items.map(({ metadata, spec }) => [metadata.uid, spec.nodeName])]);
    if (text === said) return;
    for (const pod of pods.body.items) {
      const node = pod.spec.nodeName;
      if (node === undefined) continue;
      const { status } = await client.request(
        "PATCH",
        `${base}/configmaps/${CACHE.name}-node-${node}?fieldManager=wasme-cache&force=true`,
        reportOf(pod, node, data),
        "application/apply-patch+yaml",
      );
      if (status >= 300) return;
    }
    said = text;
  };
  const running = (async () => {
    while (!ending.signal.aborted) {
      if (reporter.reports) await report().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  })();
  reporter.stop = async () => {
    ending.abort();
    await running;
  };
  return reporter;
}

function reportOf(pod: CachePod, node: string, data: Readonly<Record<string, string>>): object {
  const entries = Object.entries(data).map(([key, reference]) => {
    const entry = { state: "ready", reference, time: "2026-01-01T00:00:00Z", bytes: 1000 } as const;
    return [key, formatEntryReport(entry)];
  });
  const owner = { apiVersion: "v1", kind: "Pod", name: pod.metadata.name, uid: pod.metadata.uid };
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: `${CACHE.name}-node-${node}`,
      labels: {
        "wasme.io/node": node,
        "app.kubernetes.io/name": "wasme-cache",
        "app.kubernetes.io/instance": CACHE.name,
        "app.kubernetes.io/managed-by": "wasme",
      },
      annotations: { "wasme.io/node-name": node },
      ownerReferences: [owner],
    },
    data: Object.fromEntries(entries) as Record<string, string>,
  };
}

/** An operator in this process. */
export interface TestOperator {
  readonly url: string;
  readonly log: MemoryLog;
  /** Ends it gracefully. */
  stop(): Promise<void>;
}

/** Starts one, with the rights of a kubeconfig file, and waits until it works. */
export async function startOperator(
  kubeconfig: string,
  { clock = systemClock, ...more }: Partial<OperatorSettings> & { readonly waits?: boolean; clock?: SteadyClock } = {},
): Promise<TestOperator> {
  const log = memoryLog();
  const ending = new AbortController();
  const port = await connectCluster(
    { clock, events: () => undefined, fieldManager: "wasme-operator" },
    { file: kubeconfig, env: {}, cwd: "/" },
  );
  let url = "";
  let work: () => void = () => undefined;
  const working = new Promise<void>((resolve) => (work = resolve));
  const settings: OperatorSettings = {
    namespace: "default",
    lease: "wasme-operator",
    leaderElect: false,
    watchNamespaces: [],
    cache: CACHE,
    workers: 4,
    resolveMs: 500,
    resyncMs: 30_000,
    maxModule: 32 * 2 ** 20,
    ...more,
  };
  const running = runOperator(
    {
      port,
      clock,
      log,
      metrics: await createMetrics(),
      connectRegistry: ({ insecure, plainHttp, credentials }) =>
        createRegistryClient({ env: {}, insecure, plainHttp, retryBudgetMs: 500, ...(credentials && { credentials }) }),
      instance: "test-operator",
      version: "test",
      signal: ending.signal,
    },
    { ...settings, listen: { host: "127.0.0.1", port: 0 } },
    { onListening: (at) => (url = at), onWorking: () => work() },
  );
  if (more.waits !== false) await Promise.race([working, running]);
  running.catch(() => undefined);
  return {
    get url() {
      return url;
    },
    log,
    stop: async () => {
      ending.abort();
      await running.catch(() => undefined);
      port.close();
    },
  };
}

/** Has the server refuse to delete WasmPlugins of a namespace, seen at this one; the way to take that back. */
export async function forbidDeletion(client: Cluster, namespace: string, plugin: string): Promise<() => Promise<void>> {
  const name = `keep-${namespace}`;
  const base = "/apis/admissionregistration.k8s.io/v1";
  const rules = { apiGroups: ["extensions.istio.io"], apiVersions: ["*"], resources: ["wasmplugins"] };
  const selector = { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } } };
  const about = { apiVersion: "admissionregistration.k8s.io/v1", metadata: { name } };
  await client.request("POST", `${base}/validatingadmissionpolicies`, {
    ...about,
    kind: "ValidatingAdmissionPolicy",
    spec: {
      matchConstraints: { resourceRules: [{ ...rules, operations: ["DELETE"] }] },
      validations: [{ expression: "false", message: "nothing is deleted here" }],
    },
  });
  await client.request("POST", `${base}/validatingadmissionpolicybindings`, {
    ...about,
    kind: "ValidatingAdmissionPolicyBinding",
    spec: { policyName: name, validationActions: ["Deny"], matchResources: selector },
  });
  await waitFor("deletions to be refused", async () =>
    (await client.request("DELETE", `${plugin}?dryRun=All`)).status === 200 ? undefined : true,
  );
  return async () => {
    await client.request("DELETE", `${base}/validatingadmissionpolicybindings/${name}`);
    await client.request("DELETE", `${base}/validatingadmissionpolicies/${name}`);
  };
}

/** What a FilterDeployment of a test says. */
export interface Shape {
  readonly name?: string;
  readonly filter?: object;
  readonly istio?: object;
}

/** A FilterDeployment of the Deployments with `app=web`. */
export function filterDeployment(namespace: string, image: string, shape: Shape = {}): KubeObject {
  return {
    apiVersion: WASME,
    kind: "FilterDeployment",
    metadata: { name: shape.name ?? "hello", namespace },
    spec: {
      filter: { id: "hello", image, ...shape.filter },
      deployment: { istio: { kind: "Deployment", labels: { app: "web" }, via: "wasmplugin", ...shape.istio } },
    },
  };
}

/** A FilterDeployment as it is read back. */
export interface LiveFilterDeployment extends KubeObject {
  readonly metadata: KubeObject["metadata"] & {
    readonly uid: string;
    readonly generation: number;
    readonly finalizers?: readonly string[];
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly ready?: string;
    readonly image?: string;
    readonly moduleDigest?: string;
    readonly delivery?: string;
    readonly workloads?: Readonly<Record<string, { readonly state: string; readonly reason?: string }>>;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
      readonly lastTransitionTime: string;
    }[];
  };
}

/** `Ready` → `True Deployed`. */
export function conditionsOf(object: LiveFilterDeployment): Readonly<Record<string, string>> {
  const conditions = object.status?.conditions ?? [];
  return Object.fromEntries(conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));
}

/** The message of a condition. */
export function messageOf(object: LiveFilterDeployment, type = "Ready"): string {
  return object.status?.conditions?.find((condition) => condition.type === type)?.message ?? "";
}

/** What of ours is in the cluster: objects of filters, mounts, entries of the list and of its credentials. */
export async function tracesIn(client: Cluster, namespace: string): Promise<readonly string[]> {
  const traces: string[] = [];
  for (const [group, plural] of [
    [ISTIO, "envoyfilters"],
    [PLUGINS, "wasmplugins"],
    [PLUGINS, "trafficextensions"],
  ] as const) {
    const { body } = await client.request<{ items?: KubeObject[] }>(
      "GET",
      `/apis/${group}/namespaces/${namespace}/${plural}`,
    );
    traces.push(...(body.items ?? []).map(({ metadata }) => `${plural}/${metadata.name}`));
  }
  for (const plural of ["deployments", "daemonsets", "statefulsets"]) {
    const { body } = await client.request<{ items?: KubeObject[] }>(
      "GET",
      `/apis/${APPS}/namespaces/${namespace}/${plural}`,
    );
    for (const item of body.items ?? []) {
      if (/wasme-cache|wasme-image|\/wasme|cache-dir/u.test(JSON.stringify(templateOf(item))))
        traces.push(`mount in ${item.metadata.name}`);
    }
  }
  const list = await client.request<{ data?: object }>(
    "GET",
    `/api/v1/namespaces/${CACHE.namespace}/configmaps/${CACHE.name}`,
  );
  traces.push(...Object.keys(list.body.data ?? {}));
  const alive = await client.request<{ items?: KubeObject[] }>(
    "GET",
    `/apis/${WASME}/namespaces/${namespace}/filterdeployments`,
  );
  const uids = new Set((alive.body.items ?? []).map(({ metadata }) => metadata["uid"]));
  interface Told {
    readonly metadata: { readonly name: string };
    readonly reportingController?: string;
    readonly regarding?: { readonly uid?: string };
  }
  const told = await client.request<{ items?: readonly Told[] }>(
    "GET",
    `/apis/events.k8s.io/v1/namespaces/${namespace}/events`,
  );
  const own = (told.body.items ?? []).filter(
    ({ reportingController, regarding }) => reportingController === CONTROLLER && !uids.has(regarding?.uid),
  );
  traces.push(...own.map(({ metadata }) => `event ${metadata.name}`));
  const secret = await client.request<{ data?: object }>(
    "GET",
    `/api/v1/namespaces/${CACHE.namespace}/secrets/${CACHE.name}-pull`,
  );
  traces.push(...Object.keys(secret.body.data ?? {}).map((key) => `credential ${key}`));
  return traces;
}

function templateOf(object: KubeObject): unknown {
  return (object["spec"] as { template?: unknown } | undefined)?.template;
}
