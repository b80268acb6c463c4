import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Child, startChild } from "../components/child.ts";
import { rawRequest } from "../components/raw-http.ts";
import { type KubeObject, readAddress, watchAll } from "../judge/kube.ts";
import { podKubeconfig } from "./access.ts";
import type { ClusterClient } from "./api.ts";

/** A pod whose container is a real process here. */
export interface ProgramPod {
  /** `namespace/name`. */
  readonly title: string;
  readonly name: string;
  readonly node: string;
  /** Where its process listens, for as long as the pod is there. */
  readonly address: string;
  /** The process's folder for modules. */
  readonly directory: string;
  /** What its processes wrote so far. */
  log(): string;
  /** Times its process was started. */
  starts(): number;
  /** Id of its process; undefined between two. */
  pid(): number | undefined;
  /** Whether the API server was told that it is ready. */
  ready(): boolean;
  /** Kills the process with SIGKILL; it is started again, as a kubelet does. */
  kill(): Promise<void>;
}

/** How processes are started. */
export interface ProgramOptions {
  readonly namespace: string;
  /** Value of the label `app.kubernetes.io/name`; the cluster's `realPrograms` must name it. */
  readonly name: string;
  /** The program before the container's arguments: `node`, `bin/wasme.js`. */
  readonly program: readonly [string, ...string[]];
  /** Folder with a folder for each node, in which `/` of the node is. */
  readonly disks: string;
  /** Told where a pod's process listens, and with null that it is gone. */
  readonly onAddress?: (pod: string, address: string | null) => Promise<void>;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds until a kubelet notices that a process ended, and starts it again; default 300. */
  readonly restartMs?: number;
}

/** Stands in for the kubelets of pods with real programs. */
export interface PodPrograms {
  /** Those with a process, by name. */
  pods(): readonly ProgramPod[];
  stop(): Promise<void>;
}

/**
 * Runs the container of every such pod as a process: with the container's arguments (but a folder and an address of
 * this machine), its environment, and its service account's token. Keeps the pod's readiness in step with `/readyz`: one
 * good answer makes it ready, failures for as long as the probe says make it unready, and so does the process's end. A
 * pod that is deleted gets SIGTERM, the time it asks for, and then SIGKILL.
 */
export async function startPodPrograms(client: ClusterClient, options: ProgramOptions): Promise<PodPrograms> {
  const running = new Map<string, Kubelet>();
  // Whoever stops the programs stops the API server and the judge next, which an end under way still tells of it.
  const ends: Promise<void>[] = [];
  const stopped = new AbortController();
  const address = await readAddress(client.kubeconfigPath);
  const path = `/api/v1/namespaces/${options.namespace}/pods`;
  const scratch = await mkdtemp(join(tmpdir(), "wasme-pods-"));
  const changed = (object: KubeObject): void => {
    const pod = object as Pod;
    const { uid, labels, deletionTimestamp } = pod.metadata;
    const known = running.get(uid);
    if (deletionTimestamp !== undefined) {
      if (known === undefined && labels?.[NAME_LABEL] === options.name) ends.push(deleteNow(client, pod));
      if (known !== undefined) ends.push(known.end());
      return;
    }
    if (known !== undefined || labels?.[NAME_LABEL] !== options.name || pod.spec.nodeName === undefined) return;
    running.set(uid, new Kubelet(pod, { client, options, scratch }));
  };
  const gone = ({ metadata }: KubeObject): void => {
    const known = running.get(metadata.uid);
    if (known !== undefined) ends.push(known.end());
    running.delete(metadata.uid);
  };
  await watchAll(address, path, { changed, gone }, stopped.signal);
  return {
    pods: () => [...running.values()].filter((kubelet) => kubelet.pid() !== undefined && !kubelet.ending()),
    stop: async () => {
      stopped.abort();
      await Promise.all([...running.values()].map((kubelet) => kubelet.abandon()));
      await Promise.all(ends);
      await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

const NAME_LABEL = "app.kubernetes.io/name";

interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } };
  }[];
  readonly readinessProbe?: { readonly periodSeconds?: number; readonly failureThreshold?: number };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Pod extends KubeObject {
  readonly spec: {
    readonly nodeName?: string;
    readonly serviceAccountName?: string;
    readonly terminationGracePeriodSeconds?: number;
    readonly containers: readonly Container[];
    readonly volumes?: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[];
  };
}

interface World {
  readonly client: ClusterClient;
  readonly options: ProgramOptions;
  readonly scratch: string;
}

class Kubelet implements ProgramPod {
  readonly title: string;
  readonly name: string;
  readonly node: string;
  address = "";
  directory = "";
  readonly #pod: Pod;
  readonly #container: Container;
  readonly #world: World;
  #child: Child | undefined;
  #log = "";
  #starts = 0;
  #ready = false;
  #lastGood = 0;
  #state: "running" | "ending" | "over" = "running";
  readonly #work: Promise<void>;

  constructor(pod: Pod, world: World) {
    const [container] = pod.spec.containers;
    if (container === undefined) throw new Error(`pod ${pod.metadata.name} has no container`);
    this.#pod = pod;
    this.#container = container;
    this.#world = world;
    this.name = pod.metadata.name;
    this.node = pod.spec.nodeName ?? "";
    this.title = `${pod.metadata.namespace}/${this.name}`;
    this.#work = this.#live().catch((error: unknown) => {
      if (this.#state === "running") this.#log += `\nthe rig failed: ${String(error)}`;
    });
  }

  log(): string {
    return this.#log + (this.#child?.log() ?? "");
  }

  starts(): number {
    return this.#starts;
  }

  pid(): number | undefined {
    return this.#child?.ended() === undefined ? this.#child?.pid : undefined;
  }

  ready(): boolean {
    return this.#ready && this.pid() !== undefined;
  }

  ending(): boolean {
    return this.#state !== "running";
  }

  async kill(): Promise<void> {
    await this.#child?.stop("SIGKILL");
  }

  /** The pod is deleted: a graceful end, then the object goes. */
  async end(): Promise<void> {
    if (this.#state !== "running") return;
    this.#state = "ending";
    const grace = (this.#pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
    const late = setTimeout(() => void this.#child?.stop("SIGKILL"), grace);
    await this.#child?.stop("SIGTERM");
    clearTimeout(late);
    this.#state = "over";
    await this.#world.options.onAddress?.(this.title, null);
    await deleteNow(this.#world.client, this.#pod);
  }

  /** The rig goes: nobody is told. */
  async abandon(): Promise<void> {
    this.#state = "over";
    await this.#child?.stop("SIGKILL");
    await this.#work;
  }

  async #live(): Promise<void> {
    const { onAddress, restartMs = 300 } = this.#world.options;
    this.address = `127.0.0.1:${await quietPort()}`;
    this.directory = await this.#makeDirectory();
    await onAddress?.(this.title, this.address);
    while (this.#state === "running") {
      await this.#start();
      await this.#writeStatus(false);
      await this.#watchHealth();
      if (this.#state !== "running") return;
      await sleep(restartMs);
      await this.#writeStatus(false);
    }
  }

  async #start(): Promise<void> {
    const { client, options, scratch } = this.#world;
    const { namespace = "", uid } = this.#pod.metadata;
    const account = this.#pod.spec.serviceAccountName ?? "default";
    const kubeconfig = await podKubeconfig(client, { namespace, name: this.name, uid, account });
    const [file, ...before] = options.program;
    const args = (this.#container.args ?? []).map((argument) =>
      argument
        .replace(/^--directory=.*$/u, `--directory=${this.directory}`)
        .replace(/^--listen=.*$/u, `--listen=${this.address}`),
    );
    const home = join(scratch, this.name);
    await mkdir(home, { recursive: true });
    if (this.#state !== "running") return;
    this.#log += this.#child?.log() ?? "";
    this.#child = await startChild(file, [...before, ...args], {
      cwd: home,
      env: { PATH: process.env["PATH"], ...this.#environment(), HOME: home, KUBECONFIG: kubeconfig, ...options.env },
    });
    this.#starts += 1;
    this.#lastGood = performance.now();
  }

  #environment(): Record<string, string> {
    const fields: Readonly<Record<string, string>> = {
      "spec.nodeName": this.node,
      "metadata.name": this.name,
      "metadata.namespace": this.#pod.metadata.namespace ?? "",
      "metadata.uid": this.#pod.metadata.uid,
      "status.podIP": "127.0.0.1",
    };
    return Object.fromEntries(
      (this.#container.env ?? []).map(({ name, value, valueFrom }) => [
        name,
        value ?? fields[valueFrom?.fieldRef?.fieldPath ?? ""] ?? "",
      ]),
    );
  }

  /** A folder of the node is there for all its pods; any other volume ends with the pod. */
  async #makeDirectory(): Promise<string> {
    const { disks } = this.#world.options;
    const wanted = this.#container.args?.find((argument) => argument.startsWith("--directory="))?.slice(12);
    const mount = this.#container.volumeMounts?.find(({ mountPath }) => mountPath === wanted);
    const host = this.#pod.spec.volumes?.find(({ name }) => name === mount?.name)?.hostPath?.path;
    const directory =
      host === undefined ? join(this.#world.scratch, `volume-${this.#pod.metadata.uid}`) : join(disks, this.node, host);
    await mkdir(directory, { recursive: true });
    return directory;
  }

  /** Until the process ends. */
  async #watchHealth(): Promise<void> {
    const { periodSeconds = 10, failureThreshold = 3 } = this.#container.readinessProbe ?? {};
    while (this.#child !== undefined && this.#child.ended() === undefined) {
      const good = await isReady(this.address);
      if (good) this.#lastGood = performance.now();
      const tooLong = performance.now() - this.#lastGood > periodSeconds * failureThreshold * 1000;
      if (good !== this.#ready && (good || tooLong) && this.#state === "running") await this.#writeStatus(good);
      await sleep(150);
    }
  }

  async #writeStatus(ready: boolean): Promise<void> {
    this.#ready = ready;
    const time = new Date().toISOString();
    const word = ready ? "True" : "False";
    const { namespace = "", creationTimestamp: startTime } = this.#pod.metadata;
    const podIP = this.#address();
    const conditions = ["Ready", "ContainersReady"].map((type) => ({ type, status: word, lastTransitionTime: time }));
    const { name, image } = this.#container;
    const status = {
      phase: "Running",
      startTime,
      podIP,
      podIPs: [{ ip: podIP }],
      conditions: [{ type: "Initialized", status: "True", lastTransitionTime: startTime }, ...conditions],
      containerStatuses: [
        {
          name,
          image,
          imageID: "",
          ready,
          started: true,
          restartCount: Math.max(0, this.#starts - 1),
          state: { running: { startedAt: time } },
        },
      ],
    };
    const path = `/api/v1/namespaces/${namespace}/pods/${this.name}/status`;
    await this.#world.client.request("PATCH", path, { status }, "application/strategic-merge-patch+json");
  }

  /** One for each pod, of no network: EndpointSlices refuse loopback addresses. */
  #address(): string {
    const number = Number.parseInt(this.#pod.metadata.uid.slice(0, 6), 16);
    return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
  }
}

async function isReady(address: string): Promise<boolean> {
  const answer = await rawRequest({ url: `http://${address}/readyz`, timeoutMs: 1000 }).catch(() => undefined);
  return answer?.status === 200;
}

async function deleteNow(client: ClusterClient, pod: Pod): Promise<void> {
  const { namespace = "", name, uid } = pod.metadata;
  await client.request("DELETE", `/api/v1/namespaces/${namespace}/pods/${name}`, {
    apiVersion: "v1",
    kind: "DeleteOptions",
    gracePeriodSeconds: 0,
    preconditions: { uid },
  });
}

/**
 * A free port below those that the system gives to connections, so that a process finds its own again after a
 * restart.
 */
async function quietPort(): Promise<number> {
  for (;;) {
    const port = 18_000 + Math.floor(Math.random() * 12_000);
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer()
        .once("error", () => resolve(false))
        .listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}
