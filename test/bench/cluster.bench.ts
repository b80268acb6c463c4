import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { describe, it } from "vitest";
import type { ResolvedImage } from "../../src/domain/resolved-image.ts";
import { cacheEntry, cacheEntryPatch, nodeReportName } from "../../src/mesh/cache-objects.ts";
import { parseEntryReport } from "../../src/mesh/node-report.ts";
import type { ClusterClient, KubeObject } from "../cluster/api.ts";
import type { PodPrograms } from "../cluster/pod-programs.ts";
import { startCluster } from "../cluster/cluster.ts";
import type { JudgedObject } from "../judge/start.ts";
import { imageOf, openBench, workload } from "../integration/deploy-support.ts";
import { openVersions } from "../integration/window-chaos.ts";
import { cacheSettings, installCache, openWindow, runCaches, type Window } from "../integration/window-support.ts";

const PODS_PER_NODE = 4;

/** Real caches, one for each fake node; times hold for a machine that runs them all, with the API server, on its cores. */
describe.each([3, 50])("%i nodes", (nodes) => {
  it("bring a module to every node once, and to every proxy", async () => {
    const versions = await openVersions("solo, two layers");
    const window = await openWindow({ cluster: { nodes } });
    const programs = await runCaches(window);
    try {
      await installCache(window, 600_000);
      const namespace = await window.cluster.namespace("bench");
      const pods = nodes * PODS_PER_NODE;
      await window.cluster.apply(workload(namespace, { replicas: pods }));
      const image = await versions.image(1);
      const started = performance.now();
      await announce(window, image);
      await reportsReady(window, nodes, image);
      const cachedMs = performance.now() - started;
      const [plugin] = await window.cluster.apply(pluginOf(namespace, image));
      const report = await window.judge.heard(plugin as JudgedObject, pods, 300_000);
      const { lastAfterMs = 0 } = report.versions[versionOf(plugin as JudgedObject)] ?? {};
      const pulls = versions.pulls(image);
      print(`${nodes} nodes, ${pods} pods`, [
        `list to the last node's report: ${seconds(cachedMs)}`,
        `object to the last proxy: ${seconds(lastAfterMs)}, ${report.requests} requests, ${report.refused} refused`,
        `pulls of the module from the registry, by three names: ${pulls} (${(pulls / nodes).toFixed(2)} a node)`,
        `memory of a cache: ${spread(programs, (pid) => residentMb(pid), "MB")}`,
        `connections of a cache to the API server: ${spread(programs, (pid) => connections(pid, window.cluster), "")}`,
      ]);
    } finally {
      await programs.stop();
      await window.stop();
      await versions.stop();
    }
  });
});

describe("1,000 workloads", () => {
  it("are planned and applied", async () => {
    const cluster = await startCluster();
    try {
      const bench = await openBench(cluster, "many");
      const count = 1000;
      await inBatches(count, (number) =>
        cluster.request(
          "POST",
          `/apis/apps/v1/namespaces/${bench.namespace}/deployments`,
          workload(bench.namespace, { name: `web-${number}`, replicas: 0 }),
        ),
      );
      const cache = { ...cacheSettings(false), namespace: bench.cacheNamespace, timeoutMs: 0 };
      const sampler = sampleConnections(cluster);
      const request = { via: "wasmplugin", delivery: "cache-http", check: false, cache } as const;
      const image = imageOf("registry.example.com/team/hello:v1");
      const first = await timed(() => bench.deploy(request, image));
      const again = await timed(() => bench.deploy(request, image));
      const next = await timed(() => bench.deploy(request, imageOf("registry.example.com/team/hello:v2")));
      const most = sampler.stop();
      print(`${count} workloads by WasmPlugin and cache-http`, [
        `first: ${first}; again, nothing to do: ${again}; another image: ${next}`,
        `most connections at a time: ${most}; memory of this process: ${residentMb(process.pid).toFixed(0)} MB`,
      ]);
    } finally {
      await cluster.stop();
    }
  });
});

/** Under three names: as a deploy lists it, and as two tags of the old list. */
async function announce({ cluster, cache }: Window, image: ResolvedImage): Promise<void> {
  const path = `/api/v1/namespaces/${cache.namespace}/configmaps/${cache.name}`;
  const { host, repository } = image.reference;
  const tags = [`${host}/${repository}:v1`, `${host}/${repository}:v1@${image.manifestDigest}`].join("\n");
  const patch = cacheEntryPatch([cacheEntry(image), { key: "images", value: tags }]);
  await cluster.request("PATCH", path, patch, "application/merge-patch+json");
}

async function reportsReady({ cluster, cache }: Window, nodes: number, image: ResolvedImage): Promise<void> {
  const { key } = cacheEntry(image);
  interface Maps {
    readonly items: readonly {
      readonly metadata: { name: string };
      readonly data?: Readonly<Record<string, string>>;
    }[];
  }
  const prefix = nodeReportName(cache, "");
  await cluster.eventually<Maps>(
    `/api/v1/namespaces/${cache.namespace}/configmaps`,
    ({ items }) =>
      items.filter(
        ({ metadata, data }) =>
          metadata.name.startsWith(prefix) && parseEntryReport(data?.[key] ?? "")?.state === "ready",
      ).length === nodes,
    300_000,
  );
}

function pluginOf(namespace: string, image: ResolvedImage): KubeObject {
  const hex = image.moduleDigest.slice("sha256:".length);
  return {
    apiVersion: "extensions.istio.io/v1alpha1",
    kind: "WasmPlugin",
    metadata: { name: "web-hello", namespace },
    spec: { selector: { matchLabels: { app: "web" } }, url: `http://wasme-cache.wasme/${hex}`, sha256: hex },
  };
}

function versionOf({ metadata }: JudgedObject): string {
  return `${metadata.uid}@${metadata.generation}`;
}

async function inBatches(count: number, act: (number: number) => Promise<unknown>): Promise<void> {
  for (let start = 0; start < count; start += 20) {
    await Promise.all(Array.from({ length: Math.min(20, count - start) }, (_, index) => act(start + index)));
  }
}

/** Time by the clock, and of it what this process was at work: the rest is the server's, or others'. */
async function timed(act: () => Promise<unknown>): Promise<string> {
  const started = performance.now();
  const before = process.cpuUsage();
  await act();
  const { user, system } = process.cpuUsage(before);
  return `${seconds(performance.now() - started)} (processor ${seconds((user + system) / 1000)})`;
}

/** Looks every 20 ms how many connections this process has to the API server beside those that the set-up has left open. */
function sampleConnections(cluster: ClusterClient): { stop(): number } {
  const before = connections(process.pid, cluster);
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, connections(process.pid, cluster) - before);
  }, 20);
  return {
    stop: () => {
      clearInterval(timer);
      return most;
    },
  };
}

/** Established TCP connections of a process to the API server, by Linux's own tables. */
function connections(pid: number, { server }: ClusterClient): number {
  const port = Number(new URL(server).port).toString(16).toUpperCase().padStart(4, "0");
  const inodes = new Set(
    readFileSync(`/proc/${pid}/net/tcp`, "utf8")
      .split("\n")
      .map((line) => line.trim().split(/\s+/u))
      .filter(([, , remote = "", state]) => remote.endsWith(`:${port}`) && state === "01")
      .map((fields) => fields[9]),
  );
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return inodes.has(/^socket:\[(?<inode>\d+)\]$/u.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.groups?.["inode"]);
    } catch {
      return false; // closed in between
    }
  }).length;
}

function residentMb(pid: number): number {
  return Number(/^VmRSS:\s+(?<kb>\d+)/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.groups?.["kb"]) / 1024;
}

/** Smallest, middle and largest value of all processes. */
function spread(programs: PodPrograms, value: (pid: number) => number, unit: string): string {
  const values = programs
    .pods()
    .flatMap((pod) => pod.pid() ?? [])
    .map((pid) => value(pid))
    .toSorted((a, b) => a - b);
  const picked = [values[0], values[Math.floor(values.length / 2)], values.at(-1)];
  return `${picked.map((each) => (each ?? 0).toFixed(0)).join(" / ")} ${unit}`.trim();
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

function print(title: string, lines: readonly string[]): void {
  process.stdout.write(`\n${title}\n${lines.map((line) => `  ${line}\n`).join("")}`);
}
