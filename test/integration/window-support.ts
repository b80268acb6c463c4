import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect as dial, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildCacheObjects, type CacheSettings } from "../../src/mesh/cache-objects.ts";
import { buildOperatorObjects, type OperatorSettings } from "../../src/mesh/operator-objects.ts";
import type { ClusterClient, KubeObject } from "../cluster/api.ts";
import { type Cluster, type ClusterOptions, startCluster } from "../cluster/cluster.ts";
import { type PodPrograms, type ProgramOptions, startPodPrograms } from "../cluster/pod-programs.ts";
import type { JudgeSettings } from "../judge/judge.ts";
import { type RunningJudge, startJudgeProgram } from "../judge/start.ts";

/** The built program, as pods of the cache run it. */
const WASME: readonly [string, ...string[]] = [
  process.execPath,
  fileURLToPath(new URL("../../bin/wasme.js", import.meta.url)),
];

/** Label value of the cache's pods, which have real processes in a window's cluster. */
const CACHE_PROGRAM = "wasme-cache";
/** The same of the operator's. */
const OPERATOR_PROGRAM = "wasme-operator";

/** A cluster of its own whose cache pods have real processes, and the judge of its proxies. */
export interface Window {
  readonly cluster: Cluster;
  readonly judge: RunningJudge;
  readonly cache: CacheSettings;
  readonly disks: string;
  stop(): Promise<void>;
}

/** What to start; everything has a default. */
export interface WindowOptions {
  readonly cluster?: ClusterOptions;
  readonly files?: boolean;
  readonly judge?: Partial<JudgeSettings>;
}

/** Starts the cluster and the judge. No object of the cache is made, and no process started. */
export async function openWindow(options: WindowOptions = {}): Promise<Window> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.toReversed()) await each();
  };
  try {
    const disks = await mkdtemp(join(tmpdir(), "wasme-disks-"));
    stops.push(() => rm(disks, { recursive: true, force: true, maxRetries: 5 }));
    const cluster = await startCluster({ ...options.cluster, realPrograms: [CACHE_PROGRAM, OPERATOR_PROGRAM] });
    stops.push(() => cluster.stop());
    const { kubeconfigPath: kubeconfig } = cluster;
    const judge = await startJudgeProgram({ kubeconfig, disks, seed: 1, ...options.judge });
    stops.push(() => judge.stop());
    return { cluster, judge, cache: cacheSettings(options.files ?? false), disks, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Runs the built program, or another, for each pod of the cache that is and will be. */
export function runCaches(window: Window, options: Partial<ProgramOptions> = {}): Promise<PodPrograms> {
  const { cluster, cache, judge, disks } = window;
  return startPodPrograms(cluster, {
    namespace: cache.namespace,
    name: CACHE_PROGRAM,
    program: WASME,
    disks,
    onAddress: (pod, address) => judge.addresses({ [pod]: address }),
    ...options,
  });
}

/** Installs the operator and runs the built program for its pod. */
export async function runOperator({ cluster, cache, disks }: Window): Promise<PodPrograms> {
  const settings: OperatorSettings = {
    name: "wasme-operator",
    namespace: "wasme-operator",
    image: cache.image,
    imagePullPolicy: "IfNotPresent",
    replicas: 1,
    watchNamespaces: [],
    cache,
    pullSecrets: [],
  };
  await cluster.apply(buildOperatorObjects(settings) as unknown as readonly KubeObject[]);
  const { namespace } = settings;
  const programs = await startPodPrograms(cluster, { namespace, name: OPERATOR_PROGRAM, program: WASME, disks });
  await cluster.eventually<{ readonly status?: { readonly availableReplicas?: number } }>(
    `/apis/apps/v1/namespaces/${namespace}/deployments/${settings.name}`,
    ({ status }) => status?.availableReplicas === 1,
    180_000,
  );
  return programs;
}

/** The cache as its users have it by default. */
export function cacheSettings(files: boolean): CacheSettings {
  return {
    name: "wasme-cache",
    namespace: "wasme",
    image: "registry.example.com/wasme:0.1.0",
    imagePullPolicy: "IfNotPresent",
    files,
  };
}

/** Makes the cache's objects and waits until all its pods are ready. */
export async function installCache(
  { cluster, cache }: Pick<Window, "cluster" | "cache">,
  deadlineMs = 180_000,
): Promise<void> {
  await cluster.apply(buildCacheObjects(cache) as unknown as readonly KubeObject[]);
  await cacheReady(cluster, cache, deadlineMs);
}

/** Waits until every node's pod of the cache is ready. */
async function cacheReady(client: ClusterClient, cache: CacheSettings, deadlineMs: number): Promise<void> {
  interface DaemonSet {
    readonly status?: { readonly desiredNumberScheduled?: number; readonly numberAvailable?: number };
  }
  const nodes = await client.request<{ items: readonly unknown[] }>("GET", "/api/v1/nodes");
  await client.eventually<DaemonSet>(
    `/apis/apps/v1/namespaces/${cache.namespace}/daemonsets/${cache.name}`,
    ({ status }) =>
      status?.desiredNumberScheduled === nodes.body.items.length &&
      status.numberAvailable === status.desiredNumberScheduled,
    deadlineMs,
  );
}

/** A WasmPlugin that makes the pods `app=web` of a namespace fetch a module from the cache. */
export function pluginFor(namespace: string, module: Uint8Array, cache: CacheSettings): KubeObject {
  const sha256 = createHash("sha256").update(module).digest("hex");
  return {
    apiVersion: "extensions.istio.io/v1alpha1",
    kind: "WasmPlugin",
    metadata: { name: "web-hello", namespace },
    spec: {
      selector: { matchLabels: { app: "web" } },
      url: `http://${cache.name}.${cache.namespace}/${sha256}`,
      sha256,
      pluginName: "my_root",
    },
  };
}

/** A door before a server that can be shut: connections are refused then, and those that are open end. */
export interface Gate {
  /** `127.0.0.1:PORT`, the same for good. */
  readonly host: string;
  /** Connections that were let through. */
  connections(): number;
  shut(): Promise<void>;
  open(): Promise<void>;
}

/** Puts a gate before `127.0.0.1:PORT`. */
export async function openGate(target: string): Promise<Gate> {
  const port = Number(target.split(":")[1]);
  const sockets = new Set<Socket>();
  let count = 0;
  let server: Server | undefined;
  const listen = async (on: number): Promise<number> => {
    const next = createServer((socket) => {
      count += 1;
      const onward = dial(port, "127.0.0.1");
      for (const each of [socket, onward]) {
        sockets.add(each);
        each.on("error", () => each.destroy()).on("close", () => sockets.delete(each));
      }
      socket.pipe(onward).pipe(socket);
      socket.on("close", () => onward.destroy());
    });
    server = next.listen(on, "127.0.0.1");
    await once(next, "listening");
    const address = next.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  };
  const own = await listen(0);
  return {
    host: `127.0.0.1:${own}`,
    connections: () => count,
    shut: async () => {
      const closed = server === undefined ? undefined : once(server, "close");
      server?.close();
      for (const socket of sockets) socket.destroy();
      await closed;
      server = undefined;
    },
    open: async () => {
      if (server === undefined) await listen(own);
    },
  };
}
