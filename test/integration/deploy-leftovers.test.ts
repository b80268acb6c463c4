import { beforeAll, describe, expect, it } from "vitest";
import { applyPlan } from "../../src/deploy/apply-plan.ts";
import { recordChange } from "../../src/cache/cache-events.ts";
import { entriesOfConfigMap } from "../../src/cache/list-entry.ts";
import { createRecorder } from "../../src/controller/event-recorder.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import { Kinds } from "../../src/kube/kinds.ts";
import { stringMapAt } from "../../src/kube/objects.ts";
import { systemClock } from "../../src/platform/clock.ts";
import type { ClusterClient } from "../cluster/api.ts";
import { sharedCluster } from "../cluster/shared.ts";
import { component } from "../components/require-component.ts";
import { memoryLog } from "../support/memory-log.ts";
import { type Bench, imageOf, openBench, templateAnnotations, workload } from "./deploy-support.ts";

const cluster = await component("cluster", sharedCluster);
const APPS = "apps/v1";
const ISTIO = "networking.istio.io/v1alpha3";
const OWN = { "sidecar.istio.io/userVolume": '[{"name":"mine",   "emptyDir":{}}]' };

describe.skipIf("skip" in cluster)("what deploys and undeploys leave behind", () => {
  let client: ClusterClient;
  beforeAll(() => {
    if ("ready" in cluster) client = cluster.ready;
  });

  const withWeb = async (prefix: string, shape: Parameters<typeof workload>[1] = {}): Promise<Bench> => {
    const bench = await openBench(client, prefix);
    await client.apply(workload(bench.namespace, { annotations: OWN, ...shape }));
    return bench;
  };
  const cacheStatus = async (bench: Bench): Promise<number> =>
    (await client.request("GET", `/apis/apps/v1/namespaces/${bench.cacheNamespace}/daemonsets/wasme-cache`)).status;
  const expectClean = async (bench: Bench): Promise<void> => {
    expect(templateAnnotations(await bench.read(APPS, "deployments/web"))).toEqual(OWN);
    expect(await bench.status(ISTIO, "envoyfilters/web-hello")).toBe(404);
    expect(await cacheStatus(bench)).toBe(404);
  };

  /** Tells of what is on the list as a node's cache does. */
  const tellOf = async (bench: Bench): Promise<void> => {
    const cache = { name: "wasme-cache", namespace: bench.cacheNamespace };
    const deps = { clock: systemClock, events: () => undefined, fieldManager: "wasme-cache" } as const;
    const port = await connectCluster(deps, { file: client.kubeconfigPath, env: {}, cwd: "/" });
    try {
      const list = await port.get({ kind: Kinds.configMap, ...cache });
      const about = { port, clock: systemClock, log: memoryLog(), controller: "wasme.io/cache", instance: "node-1" };
      const recorder = createRecorder(about);
      for (const entry of entriesOfConfigMap(stringMapAt(list, "data"))) {
        recordChange(recorder, cache, { entry, before: undefined, after: { state: "ready", isNew: true } });
      }
      await recorder.flush();
    } finally {
      port.close();
    }
  };

  it("uses a namespace of somebody else for the cache as it is, and leaves it there", async () => {
    const bench = await withWeb("theirs");
    const path = `/api/v1/namespaces/${bench.cacheNamespace}`;
    await client.request("POST", "/api/v1/namespaces", {
      metadata: { name: bench.cacheNamespace, labels: { team: "a" } },
    });
    const labels = async (): Promise<unknown> =>
      (await client.request<{ metadata: { labels: object } }>("GET", path)).body.metadata.labels;
    const before = await labels();
    await bench.deploy();
    expect(await labels()).toEqual(before);
    await tellOf(bench);
    const events = `/apis/events.k8s.io/v1/namespaces/${bench.cacheNamespace}/events?labelSelector=cache.wasme.io%2Fcache_event`;
    const told = async (): Promise<number> =>
      (await client.request<{ items: readonly unknown[] }>("GET", events)).body.items.length;
    expect(await told()).toBe(1);
    await bench.undeploy();
    await expectClean(bench);
    expect(await told()).toBe(0);
    expect((await client.request<{ status: object }>("GET", path)).body.status).toEqual({ phase: "Active" });
  });

  it("takes mount and cache away when another kind takes over from files", async () => {
    const bench = await withWeb("over");
    await bench.deploy();
    const metadata = { name: "lodger", namespace: bench.cacheNamespace };
    await client.apply({ apiVersion: "telemetry.istio.io/v1", kind: "Telemetry", metadata, spec: {} });
    await bench.deploy({ via: "wasmplugin", delivery: "registry" });
    await expectClean(bench);
    const note = `namespace ${bench.cacheNamespace} stays: it holds Telemetry ${bench.cacheNamespace}/lodger`;
    expect(bench.events).toContainEqual({ type: "milestone", message: note });
    await bench.undeploy();
    expect(await bench.status("extensions.istio.io/v1alpha1", "wasmplugins/web-hello")).toBe(404);
  });

  it("takes the old module off the list when a newer image is deployed", async () => {
    const bench = await withWeb("newer");
    await bench.deploy();
    await bench.deploy({}, imageOf("registry.example.com/team/hello:v2"));
    expect(await cacheStatus(bench)).toBe(200);
    bench.events.splice(0);
    await bench.undeploy();
    await expectClean(bench);
    const deleted = bench.events.flatMap((event) =>
      event.type === "milestone" && event.message.endsWith(" deleted") ? [event.message] : [],
    );
    expect(deleted).toContain(`Namespace ${bench.cacheNamespace} deleted`);
    expect(deleted).toEqual([...new Set(deleted)]);
  });

  it("undeploys what a deploy that stopped half-way has mounted", async () => {
    const bench = await withWeb("half", {
      annotations: { ...OWN, "wasme.test/fail": "ImagePullBackOff" },
      spec: { progressDeadlineSeconds: 1 },
    });
    await expect(bench.deploy()).rejects.toMatchObject({ code: "ROLLOUT_FAILED" });
    await bench.undeploy({ wait: false });
    expect(templateAnnotations(await bench.read(APPS, "deployments/web"))).toEqual({
      ...OWN,
      "wasme.test/fail": "ImagePullBackOff",
    });
  });

  it("goes on with an undeploy that stopped half-way", async () => {
    const bench = await withWeb("stopped");
    await bench.deploy();
    await client.request("DELETE", `/apis/${ISTIO}/namespaces/${bench.namespace}/envoyfilters/web-hello`);
    await bench.undeploy();
    expect(templateAnnotations(await bench.read(APPS, "deployments/web"))).toEqual(OWN);
    await expect(bench.undeploy()).rejects.toMatchObject({ code: "FILTER_NOT_DEPLOYED" });
  });

  it("keeps a mount that somebody deployed another filter through since the plan", async () => {
    const bench = await withWeb("since");
    await bench.deploy();
    const before = templateAnnotations(await bench.read(APPS, "deployments/web"));
    const file = await client.adminKubeconfig(bench.namespace);
    const deps = { clock: systemClock, events: () => undefined };
    const port = await connectCluster(deps, { file, env: {}, cwd: "/" });
    try {
      const ref = { kind: Kinds.deployment, name: "web", namespace: bench.namespace };
      const edit = { place: "sidecar", direction: "unmount", names: ["wasme-cache"] } as const;
      const step = { type: "edit", action: "update", ref, edit, reason: "" } as const;
      const { outcomes } = await applyPlan({ ...deps, port }, { steps: [step] }, { force: false, waits: "block" });
      expect(outcomes).toEqual([{ ref, outcome: "kept" }]);
      expect(templateAnnotations(await bench.read(APPS, "deployments/web"))).toEqual(before);
    } finally {
      port.close();
    }
  });
});
