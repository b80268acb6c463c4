import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import type { KubeObject } from "../cluster/api.ts";
import { type Child, startChild } from "../components/child.ts";
import { rawRequest } from "../components/raw-http.ts";
import { waitFor } from "../components/wait.ts";
import { workload } from "../integration/deploy-support.ts";
import {
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
}, 120_000);
afterAll(async () => {
  await operator?.stop();
  await reporter?.stop();
  await images?.stop();
  await client?.stop();
  await rm(home, { recursive: true, force: true });
});

const line = (text: string): void => void process.stdout.write(`${text}\n`);
const base = (plural: string): string =>
  `/apis/${plural === "envoyfilters" ? ISTIO : WASME}/namespaces/${namespace}/${plural}`;
const objectOf = (index: number): KubeObject =>
  filterDeployment(namespace, image.reference, {
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
  for (const round of ["a module never seen", "the same module", "the same module again"]) {
    const index = COUNT + round.length;
    await client.request(
      "POST",
      `/apis/apps/v1/namespaces/${namespace}/deployments`,
      workload(namespace, { name: `w-${index}`, replicas: 0 }),
    );
    const since = performance.now();
    await client.request("POST", base("filterdeployments"), objectOf(index));
    await waitFor(
      "the EnvoyFilter",
      async () =>
        (await client.request("GET", `${base("envoyfilters")}/w-${index}-id-${index}`)).status === 200
          ? true
          : undefined,
      { everyMs: 3 },
    );
    line(`first object to EnvoyFilter, ${round}: ${Math.round(performance.now() - since)} ms`);
  }
});

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
  await waitFor(
    "all to be settled",
    async () =>
      (await metric("workqueue_depth")) === 0 && (await metric("controller_runtime_active_workers")) === 0
        ? true
        : undefined,
    { deadlineMs: 300_000, everyMs: 200 },
  );
  line(
    `${COUNT} objects: written in ${Math.round(written - since)} ms, all EnvoyFilters ${Math.round(all - since)} ms, settled ${Math.round(performance.now() - since)} ms`,
  );
  line(
    `requests ${(await metric("rest_client_requests_total")) - requests}, reconciles ${await metric("controller_runtime_reconcile_total")}`,
  );
  line(`memory ${Math.round((await metric("process_resident_memory_bytes")) / 2 ** 20)} MiB`);
  expect(count).toBeGreaterThanOrEqual(COUNT);
}, 600_000);
