import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import type { KubeObject } from "../cluster/api.ts";
import { type Child, startChild } from "../components/child.ts";
import { rawRequest } from "../components/raw-http.ts";
import { waitFor } from "../components/wait.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import { follow } from "../../src/kube/follow.ts";
import { Kinds } from "../../src/kube/kinds.ts";
import { stringMapAt } from "../../src/kube/objects.ts";
import { NODE_LABEL } from "../../src/mesh/node-report.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { workload } from "../integration/deploy-support.ts";
import {
  CACHE,
  filterDeployment,
  type ImageRegistry,
  installKinds,
  ISTIO,
  type PushedImage,
  type Reporter,
  startImages,
  startReporter,
  WASME,
} from "../integration/operator-support.ts";

const BIN = fileURLToPath(new URL("../../bin/wasme.js", import.meta.url));
const COUNT = Number(process.env["WASME_BENCH_OBJECTS"] ?? "1000");

let client: Cluster;
let images: ImageRegistry;
let reporter: Reporter;
let operator: Child;
let image: PushedImage;
let namespace: string;
let home: string;
let metrics = "";

beforeAll(async () => {
  client = await startCluster();
  images = await startImages();
  image = await images.push("team/hello:v1", "bench");
  await installKinds(client);
  reporter = startReporter(client);
  namespace = await client.namespace("bench");
  home = await mkdtemp(join(tmpdir(), "wasme-bench-"));
  // For two seconds after a kind was installed the server holds every creation of one back for as long.
  await client.request("POST", `${base("filterdeployments")}?dryRun=All`, objectOf(0));
  await startOperator();
}, 120_000);
afterAll(async () => {
  await operator?.stop();
  await reporter?.stop();
  await images?.stop();
  await client?.stop();
  await rm(home, { recursive: true, force: true });
});

async function startOperator(): Promise<void> {
  const args = [
    "operator",
    "run",
    "--no-leader-elect",
    "--listen",
    "127.0.0.1:0",
    "--kubeconfig",
    client.kubeconfigPath,
  ];
  operator = await startChild(process.execPath, [BIN, ...args], {
    cwd: home,
    env: { PATH: process.env["PATH"], HOME: home },
  });
  const [, url = ""] = await operator.seen(/"url":"([^"]+)"/u, 60_000);
  metrics = `${url}/metrics`;
  await operator.seen(/"msg":"reconciling"/u, 60_000);
}

const line = (text: string): void => void process.stdout.write(`${text}\n`);
const base = (plural: string): string =>
  `/apis/${plural === "envoyfilters" ? ISTIO : WASME}/namespaces/${namespace}/${plural}`;
const objectOf = (index: number, reference = image.reference): KubeObject =>
  filterDeployment(namespace, reference, {
    name: `fd-${index}`,
    filter: { id: `id-${index}` },
    istio: { labels: { app: `w-${index}` }, via: "envoyfilter", delivery: "cache-http" },
  });
const metric = async (name: string): Promise<number> => {
  const { text } = await rawRequest({ url: metrics });
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gmu"))];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
};
const inParallel = async (count: number, work: (index: number) => Promise<unknown>): Promise<void> => {
  const queue = Array.from({ length: count }, (_, index) => index).values();
  await Promise.all(
    Array.from({ length: 12 }, async () => {
      for (const index of queue) await work(index);
    }),
  );
};

it("takes the first object to its EnvoyFilter", async () => {
  const seen = await startStamps();
  for (const [round, tag] of ROUNDS.entries()) {
    const pushed = await images.push(`team/hello:${tag}`, tag);
    const index = COUNT + round;
    await client.request(
      "POST",
      `/apis/apps/v1/namespaces/${namespace}/deployments`,
      workload(namespace, { name: `w-${index}`, replicas: 0 }),
    );
    const isNew = !seen.at.has(`entry ${pushed.key}`);
    const since = performance.now();
    await client.request("POST", base("filterdeployments"), objectOf(index, pushed.reference));
    const total = (await seen.time(`envoyfilter w-${index}-id-${index}`)) - since;
    // A module of which all nodes have told is waited for by nobody.
    const wait = isNew ? (await seen.time(`reports ${pushed.key}`)) - (await seen.time(`entry ${pushed.key}`)) : 0;
    line(
      `first object to EnvoyFilter, ${isNew ? "a module never seen" : "a module known"}: ${Math.round(total)} ms, of it the cache ${Math.round(wait)} ms, beyond it ${Math.round(total - wait)} ms; load ${loadavg()[0]?.toFixed(1)}`,
    );
  }
  await seen.stop();
});

/** Images by their tags, one after the other. */
const ROUNDS = ["v2", "v3", "v4", "v4", "v4"] as const;

/** When things were first seen, as the server tells of them: entries of the list, their reports of all nodes, objects. */
async function startStamps(): Promise<{
  readonly at: ReadonlyMap<string, number>;
  time(what: string): Promise<number>;
  stop(): Promise<void>;
}> {
  const at = new Map<string, number>();
  const stamp = (what: string): unknown => at.has(what) || at.set(what, performance.now());
  const ending = new AbortController();
  const events = (): void => undefined;
  const port = await connectCluster(
    { clock: systemClock, events, fieldManager: "wasme-cli" },
    { file: client.kubeconfigPath, env: {}, cwd: "/" },
  );
  const deps = { port, clock: systemClock };
  const lists = async (): Promise<void> => {
    const selection = { kind: Kinds.configMap, namespace: CACHE.namespace };
    for await (const maps of follow(deps, selection, ending.signal)) {
      const reports = [...maps.values()].filter(({ metadata }) => metadata.labels?.[NODE_LABEL] !== undefined);
      for (const key of Object.keys(stringMapAt(maps.get(CACHE.name), "data"))) {
        stamp(`entry ${key}`);
        const told = reports.filter((report) => stringMapAt(report, "data")[key] !== undefined);
        if (told.length > 0 && told.length === reports.length) stamp(`reports ${key}`);
      }
    }
  };
  const filters = async (): Promise<void> => {
    for await (const names of follow(deps, { kind: Kinds.envoyFilter, namespace }, ending.signal))
      for (const name of names.keys()) stamp(`envoyfilter ${name}`);
  };
  const following = [lists(), filters()].map((one) => one.catch(() => undefined));
  return {
    at,
    time: (what) => waitFor(what, async () => at.get(what), { everyMs: 3 }),
    stop: async () => {
      ending.abort();
      await Promise.all(following);
      port.close();
    },
  };
}

it(`takes ${COUNT} objects to their EnvoyFilters`, async () => {
  await inParallel(COUNT, (index) =>
    client.request(
      "POST",
      `/apis/apps/v1/namespaces/${namespace}/deployments`,
      workload(namespace, { name: `w-${index}`, replicas: 0 }),
    ),
  );
  const requests = await metric("rest_client_requests_total");
  const since = performance.now();
  await inParallel(COUNT, (index) => client.request("POST", base("filterdeployments"), objectOf(index)));
  const written = performance.now();
  let count = 0;
  await waitFor(
    "all EnvoyFilters",
    async () => {
      const { body } = await client.request<{ items: unknown[]; metadata: { remainingItemCount?: number } }>(
        "GET",
        `${base("envoyfilters")}?limit=1`,
      );
      count = body.items.length + (body.metadata.remainingItemCount ?? 0);
      return count >= COUNT ? true : undefined;
    },
    { deadlineMs: 300_000, everyMs: 100, detail: () => `${count} are there\n${operator.log().slice(-2000)}` },
  );
  const all = performance.now();
  await settled();
  line(
    `${COUNT} objects: written in ${Math.round(written - since)} ms, all EnvoyFilters ${Math.round(all - since)} ms, settled ${Math.round(performance.now() - since)} ms`,
  );
  const asked = (await metric("rest_client_requests_total")) - requests;
  line(
    `requests ${asked}, ${(asked / COUNT).toFixed(1)} for each; reconciles ${await metric("controller_runtime_reconcile_total")}`,
  );
  line(`Ready ${await readyCount()}; load ${loadavg()[0]?.toFixed(1)}; ${await memory()}`);
  expect(count).toBeGreaterThanOrEqual(COUNT);
}, 600_000);

it(`sees that ${COUNT} objects are well after a restart`, async () => {
  await operator.stop();
  const since = performance.now();
  await startOperator();
  const began = performance.now();
  await waitFor(
    "every object to be looked at",
    async () => ((await metric("controller_runtime_reconcile_total")) >= COUNT ? true : undefined),
    { deadlineMs: 300_000, everyMs: 100 },
  );
  await settled();
  const asked = await metric("rest_client_requests_total");
  line(
    `restart: reconciling after ${Math.round(began - since)} ms, settled ${Math.round(performance.now() - since)} ms; requests ${asked}; reconciles ${await metric("controller_runtime_reconcile_total")}`,
  );
  line(`Ready ${await readyCount()}; load ${loadavg()[0]?.toFixed(1)}; ${await memory()}`);
}, 600_000);

async function settled(): Promise<void> {
  await waitFor(
    "all to be settled",
    async () =>
      (await metric("workqueue_depth")) === 0 && (await metric("controller_runtime_active_workers")) === 0
        ? true
        : undefined,
    { deadlineMs: 300_000, everyMs: 200 },
  );
}

interface Listed {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

async function readyCount(): Promise<number> {
  const { body } = await client.request<{ items: Listed[] }>("GET", base("filterdeployments"));
  const isReady = ({ status }: Listed): boolean =>
    status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True") === true;
  return body.items.filter(isReady).length;
}

/** What it holds at once, and after some rest. */
async function memory(): Promise<string> {
  const mebibytes = async (name: string): Promise<number> => Math.round((await metric(name)) / 2 ** 20);
  const now = await mebibytes("process_resident_memory_bytes");
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  const rested = await mebibytes("process_resident_memory_bytes");
  return `memory ${now} MiB, after ${REST_MS / 1000} s ${rested} MiB, of it heap ${await mebibytes("nodejs_heap_size_used_bytes")} of ${await mebibytes("nodejs_heap_size_total_bytes")} MiB, outside ${await mebibytes("nodejs_external_memory_bytes")} MiB`;
}

const REST_MS = 10_000;
