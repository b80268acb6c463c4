import { expect, it } from "vitest";
import { parseDigest } from "../../../src/domain/digest.ts";
import type { ModuleWait } from "../../../src/deploy/plan.ts";
import type { ClusterDeps } from "../../../src/deploy/request.ts";
import { lookForModule } from "../../../src/deploy/wait-for-module.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import { cachePodLabels } from "../../../src/mesh/cache-objects.ts";
import { formatEntryReport, NODE_ANNOTATION, NODE_LABEL } from "../../../src/mesh/node-report.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { MemoryCluster } from "./memory-cluster.ts";

const CACHE = { namespace: "wasme", name: "wasme-cache" };
const STEP: ModuleWait = {
  type: "wait-module",
  moduleDigest: parseDigest(`sha256:${"0".repeat(64)}`),
  cache: CACHE,
  entry: { key: "sha256-00", value: "registry.example.com/team/hello@sha256:00" },
  timeoutMs: 60_000,
};

/** A cluster whose one node tells that it failed, and a clock to turn. */
async function failingNode(why: string): Promise<{
  readonly deps: ClusterDeps;
  readonly clock: { elapsed: number };
  readonly say: (error: string) => Promise<unknown>;
}> {
  const server = new MemoryCluster();
  const port = server.port();
  const labels = cachePodLabels(CACHE);
  const status = { desiredNumberScheduled: 1, observedGeneration: 1 };
  await port.create(Kinds.daemonSet, { apiVersion: "apps/v1", kind: "DaemonSet", metadata: CACHE, status });
  await port.create(Kinds.pod, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "cache-1", namespace: CACHE.namespace, labels },
    spec: { nodeName: "node-1" },
    status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
  });
  const name = `${CACHE.name}-node-node-1`;
  const report = (error: string): Record<string, string> => {
    const entry = { state: "failed", reference: STEP.entry.value, time: "2026-01-01T00:00:00Z", error } as const;
    return { [STEP.entry.key]: formatEntryReport(entry) };
  };
  await port.create(Kinds.configMap, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name,
      namespace: CACHE.namespace,
      labels: { ...labels, [NODE_LABEL]: "node-1" },
      annotations: { [NODE_ANNOTATION]: "node-1" },
    },
    data: report(why),
  });
  const clock = { elapsed: 100_000 };
  const deps = {
    port,
    clock: { ...systemClock, elapsed: () => clock.elapsed },
    events: () => undefined,
    oldFailures: new Map(),
  };
  const ref = { kind: Kinds.configMap, namespace: CACHE.namespace, name };
  return { deps, clock, say: (error) => port.patch(ref, { data: report(error) }) };
}

it("takes a failure for an old one at the looks that follow the one at which the entry was written, for a moment", async () => {
  const { deps, clock } = await failingNode("401 unauthorized");
  await expect(lookForModule(deps, STEP, false)).rejects.toThrow("401 unauthorized");
  expect(await lookForModule(deps, STEP, true)).toContain("0/1 nodes");
  clock.elapsed += 10_000;
  expect(await lookForModule(deps, STEP, false)).toContain("0/1 nodes");
  clock.elapsed += 10_000;
  await expect(lookForModule(deps, STEP, false)).rejects.toThrow("401 unauthorized");
});

it("believes another failure at once", async () => {
  const { deps, say } = await failingNode("401 unauthorized");
  expect(await lookForModule(deps, STEP, true)).toContain("0/1 nodes");
  await say("404 not found");
  await expect(lookForModule(deps, STEP, false)).rejects.toThrow("404 not found");
});
