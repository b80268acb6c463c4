import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { type Child, startChild } from "../components/child.ts";
import { freePorts } from "../components/ports.ts";
import { tail } from "../components/run.ts";
import { waitFor } from "../components/wait.ts";
import { writeKubeconfig } from "./access.ts";
import type { ClusterClient, Connection, KubeObject } from "./api.ts";
import { clusterProgram } from "./build.ts";
import { connect, parseObjects } from "./client.ts";
import { installIstioCrds, type IstioKinds } from "./istio-crds.ts";
import { addNode } from "./nodes.ts";

/** What to start; the default is two fake nodes and all of Istio's kinds. */
export interface ClusterOptions {
  /** Fake nodes `node-1`, `node-2`, …; their pods become ready by themselves (see `stages.yaml`). */
  readonly nodes?: number;
  readonly crds?: IstioKinds;
  /**
   * Pods with one of these values of the label `app.kubernetes.io/name` are left alone by the fake nodes: whoever runs
   * their programs says how they are (`pod-programs.ts`).
   */
  readonly realPrograms?: readonly string[];
  /** Owner references that block their owner's deletion need a right on its finalizers, as on OpenShift. */
  readonly guardsOwners?: boolean;
}

/** A cluster of this process. */
export interface Cluster extends ClusterClient {
  /** What one of its programs wrote: `etcd`, `kube-apiserver`, `kube-controller-manager`, `kube-scheduler`, `kwok`. */
  log(program: string): string;
  /** Kills the API server (SIGKILL); what it knew stays in etcd. */
  killServer(): Promise<void>;
  /** Starts it anew on the same port, with the same certificate, and waits until it is ready. */
  restartServer(): Promise<void>;
  /** Kills its programs (SIGKILL: a graceful end takes minutes) and deletes its folder. */
  stop(): Promise<void>;
}

/**
 * Starts a Kubernetes of its own on free loopback ports: about three seconds and 700 MB. Order matters: custom
 * kinds come before the controllers, whose garbage collector looks for new kinds only every 30 s.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  for (let more = 2; ; more -= 1) {
    try {
      return await startOnPorts(options, await freePorts(3));
    } catch (error) {
      // None of its programs can take port 0 and tell what it got, so that another program may be quicker.
      if (more === 0 || !(error instanceof Error) || !error.message.includes("address already in use")) throw error;
    }
  }
}

async function startOnPorts(options: ClusterOptions, ports: readonly number[]): Promise<Cluster> {
  const { binary, istioCrds } = await clusterProgram();
  const directory = await mkdtemp(join(tmpdir(), "wasme-cluster-"));
  const programs = new Map<string, Child>();
  const lines = new Map<string, readonly string[]>();
  const start: Start = async (name, flags = {}) => {
    const args = lines.get(name) ?? Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    lines.set(name, args);
    programs.set(name, await startChild(binary, [name, ...args], { cwd: directory, scratch: directory }));
  };
  const stop = async (): Promise<void> => {
    await Promise.all([...programs.values()].map((program) => program.stop()));
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const connection = await startServer({ directory, ports, start, programs }, options);
    const client = await connect(connection);
    await serverReady(client, programs);
    await installIstioCrds(client, istioCrds, options.crds ?? "istio");
    await startControllers(connection.kubeconfigPath, start, await writeStages(directory, options.realPrograms ?? []));
    await addNodes(client, options.nodes ?? 2);
    return {
      ...client,
      stop,
      log: (program) => programs.get(program)?.log() ?? "",
      killServer: async () => programs.get(API_SERVER)?.stop(),
      restartServer: async () => {
        await programs.get(API_SERVER)?.stop();
        await start(API_SERVER);
        await serverReady(client, programs);
      },
    };
  } catch (error) {
    const logs = [...programs].map(([name, program]) => `--- ${name}\n${tail(program.log(), 10)}`);
    await stop();
    throw new Error(`the test cluster did not start\n${logs.join("\n")}`, { cause: error });
  }
}

const API_SERVER = "kube-apiserver";

/** Without flags: with those of the time before. */
type Start = (name: string, flags?: Readonly<Record<string, string>>) => Promise<void>;

interface Place {
  readonly directory: string;
  readonly ports: readonly number[];
  readonly start: Start;
  readonly programs: Map<string, Child>;
}

async function startServer(
  { directory, ports: [clientPort, peerPort, securePort], start, programs }: Place,
  { guardsOwners = false }: ClusterOptions,
): Promise<Connection> {
  const etcd = `http://127.0.0.1:${clientPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const adminToken = randomBytes(16).toString("hex");
  const keys = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  await writeFile(join(directory, "tokens.csv"), `${adminToken},admin,admin,"system:masters"\n`, { mode: 0o600 });
  await writeFile(join(directory, "sa.key"), keys.privateKey.export({ type: "sec1", format: "pem" }), { mode: 0o600 });
  await writeFile(join(directory, "sa.pub"), keys.publicKey.export({ type: "spki", format: "pem" }));
  await start("etcd", {
    "data-dir": "etcd",
    "listen-client-urls": etcd,
    "advertise-client-urls": etcd,
    "listen-peer-urls": peer,
    "initial-advertise-peer-urls": peer,
    "initial-cluster": `default=${peer}`,
    "unsafe-no-fsync": "true",
  });
  await start(API_SERVER, {
    "etcd-servers": etcd,
    "bind-address": "127.0.0.1",
    "secure-port": String(securePort),
    "cert-dir": ".",
    "token-auth-file": "tokens.csv",
    "authorization-mode": "RBAC",
    "allow-privileged": "true",
    "service-account-issuer": "https://kubernetes.default.svc",
    "service-account-key-file": "sa.pub",
    "service-account-signing-key-file": "sa.key",
    "service-cluster-ip-range": "10.96.0.0/16",
    "advertise-address": "127.0.0.1",
    "endpoint-reconciler-type": "none",
    // Nobody here makes default service accounts in time or takes the taint off new nodes.
    "disable-admission-plugins": "ServiceAccount,TaintNodesByCondition",
    ...(guardsOwners ? { "enable-admission-plugins": "OwnerReferencesPermissionEnforcement" } : {}),
  });
  // The server signs a certificate for itself as it starts: that is the authority to trust.
  const caFile = join(directory, "apiserver.crt");
  await waitFor("the API server's certificate", async () => {
    alive(programs);
    const found = await stat(caFile).catch(() => undefined);
    return found !== undefined && found.size > 0 ? true : undefined;
  });
  const server = `https://127.0.0.1:${securePort}`;
  const connection = { server, caFile, adminToken, directory, kubeconfigPath: "" };
  const user = { user: "admin", token: adminToken, namespace: "default" };
  return { ...connection, kubeconfigPath: await writeKubeconfig(connection, user) };
}

/** Milliseconds one look at the API server may take. */
const PROBE_MS = 2000;

async function serverReady(client: ClusterClient, programs: Map<string, Child>): Promise<void> {
  await waitFor(
    "the API server to be ready",
    async () => {
      alive(programs);
      // Whoever took the port first may accept and say nothing; meanwhile our server has ended, which is seen next time.
      const asked = client.request("GET", "/readyz").catch(() => undefined);
      const answer = await Promise.race([asked, sleep(PROBE_MS, undefined)]);
      return answer?.status === 200 ? true : undefined;
    },
    { deadlineMs: 60_000 },
  );
}

async function startControllers(kubeconfig: string, start: Start, stages: string): Promise<void> {
  // The default limits (20 requests a second) would make tests wait for seconds.
  const fast = {
    kubeconfig,
    "leader-elect": "false",
    "secure-port": "0",
    "kube-api-qps": "1000",
    "kube-api-burst": "2000",
  };
  const apps = ["deployment", "replicaset", "statefulset", "daemonset"];
  const controllers = [...apps, "garbage-collector", "namespace", "serviceaccount", "endpointslice"];
  await start("kube-controller-manager", {
    ...fast,
    "service-account-private-key-file": "sa.key",
    "root-ca-file": "apiserver.crt",
    controllers: controllers.map((name) => `${name}-controller`).join(","),
  });
  await start("kube-scheduler", {
    ...fast,
    "authentication-kubeconfig": kubeconfig,
    "authorization-kubeconfig": kubeconfig,
  });
  await start("kwok", { kubeconfig, config: stages, "manage-all-nodes": "true", "node-lease-duration-seconds": "40" });
}

/** The fake nodes' stages, without the pods that have real programs. */
async function writeStages(directory: string, realPrograms: readonly string[]): Promise<string> {
  const text = await readFile(fileURLToPath(new URL("stages.yaml", import.meta.url)), "utf8");
  const key = '.metadata.labels["app.kubernetes.io/name"]';
  const stages = (parseObjects(text) as readonly Stage[]).map((stage) => {
    if (stage.spec.resourceRef.kind !== "Pod" || realPrograms.length === 0) return stage;
    const left = { key, operator: "NotIn", values: realPrograms };
    const matchExpressions = [...stage.spec.selector.matchExpressions, left];
    return { ...stage, spec: { ...stage.spec, selector: { matchExpressions } } };
  });
  const file = join(directory, "stages.yaml");
  await writeFile(file, stages.map((stage) => `---\n${stringify(stage)}`).join(""));
  return file;
}

interface Stage extends KubeObject {
  readonly spec: {
    readonly resourceRef: { readonly kind: string };
    readonly selector: { readonly matchExpressions: readonly object[] };
    readonly [field: string]: unknown;
  };
}

async function addNodes(client: ClusterClient, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, index) => `node-${index + 1}`);
  await Promise.all(names.map((name) => addNode(client, name)));
}

/** A program that died will never answer: say so at once instead of at the deadline. */
function alive(programs: Map<string, Child>): void {
  for (const [name, program] of programs) {
    if (program.ended() !== undefined) throw new Error(`${name} ended (${program.ended()}):\n${tail(program.log())}`);
  }
}
