import { afterEach, beforeEach, expect, it } from "vitest";
import { Kinds } from "../../../src/kube/kinds.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import { wakeOnChanges } from "../../../src/operator/wake.ts";
import { silentLog } from "../../../src/platform/json-log.ts";
import { type ManualClock, manualClock } from "../../support/manual-clock.ts";
import { type HandCluster, startHandCluster, versioned } from "./hand-cluster.ts";

let cluster: HandCluster;
let woken: (readonly [string, number | undefined])[] = [];
let pauses: number[] = [];
let clock: ManualClock;
const FINALIZER = "wasme.io/filter-deployment";
const announced = new Map<string, string>();
const [ONE, TWO] = ["1".repeat(64), "2".repeat(64)];

beforeEach(async () => {
  cluster = await startHandCluster();
  announced.clear();
  woken = [];
  pauses = [];
  clock = manualClock();
  wakeOnChanges({ ...cluster, announced, clock, log: silentLog }, (key, options) => {
    woken.push([key, options?.priority]);
    pauses.push(options?.afterMs ?? 0);
  });
});
afterEach(() => cluster.stop());

function filterDeployment(name: string, image?: string, metadata: object = {}): KubeObject {
  return {
    apiVersion: "wasme.io/v1",
    kind: "FilterDeployment",
    metadata: { name, namespace: "shop", uid: name, generation: 1, resourceVersion: cluster.version(), ...metadata },
    spec: { filter: { id: name, image: "example.com/a:v1" } },
    status: {
      ...(image === undefined ? {} : { image: `example.com/a:v1@sha256:${image}` }),
      conditions: [{ type: "Ready", status: "False", reason: "WaitingForNodes" }],
    },
  };
}

function report(data: object): KubeObject {
  const metadata = { name: "wasme-cache-node-a", namespace: "wasme", resourceVersion: cluster.version() };
  return { apiVersion: "v1", kind: "ConfigMap", metadata, data };
}

it("wakes those alone whose module a report tells of, by status or because it was announced for them", async () => {
  await cluster.tell(Kinds.configMap, "ADDED", report({ [`sha256-${TWO}`]: "pulling" }));
  await cluster.tell(Kinds.filterDeployment, "ADDED", filterDeployment("one", ONE));
  await cluster.tell(Kinds.filterDeployment, "ADDED", filterDeployment("two", TWO));
  await cluster.tell(Kinds.filterDeployment, "ADDED", filterDeployment("three"));
  announced.set("shop/three", `sha256-${ONE}`);
  woken = [];
  await cluster.tell(Kinds.configMap, "MODIFIED", report({ [`sha256-${TWO}`]: "pulling", [`sha256-${ONE}`]: "ready" }));
  expect(woken.map(([key]) => key)).toEqual(["shop/one", "shop/three"]);
});

it("wakes those with a cache when the last of its pods that served does so no more, and not while another one serves", async () => {
  const deployed = (name: string, delivery: string): KubeObject => {
    const object = filterDeployment(name, ONE);
    const conditions = [{ type: "Ready", status: "True", reason: "Deployed" }];
    return { ...object, status: { ...(object["status"] as object), delivery, conditions } };
  };
  await cluster.tell(Kinds.filterDeployment, "ADDED", deployed("one", "cache-http"));
  await cluster.tell(Kinds.filterDeployment, "ADDED", deployed("two", "registry"));
  const pod = (name: string, { ready = true, metadata = {}, program = "wasme-cache" } = {}): KubeObject => {
    const labels = { "app.kubernetes.io/name": program, "app.kubernetes.io/instance": "wasme-cache" };
    const conditions = [{ type: "Ready", status: ready ? "True" : "False" }];
    return {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "wasme", uid: name, labels, resourceVersion: cluster.version(), ...metadata },
      status: { phase: "Running", conditions },
    };
  };
  for (const name of ["a", "b"]) await cluster.tell(Kinds.pod, "ADDED", pod(name));
  await cluster.tell(Kinds.pod, "ADDED", pod("other", { program: "other" }));
  woken = [];
  await cluster.tell(Kinds.pod, "MODIFIED", pod("a", { ready: false }));
  await cluster.tell(Kinds.pod, "MODIFIED", pod("a"));
  await cluster.tell(Kinds.pod, "DELETED", pod("a"));
  expect(woken).toEqual([]);
  await cluster.tell(Kinds.pod, "MODIFIED", pod("b", { metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } }));
  expect(woken.map(([key]) => key)).toEqual(["shop/one"]);
  await cluster.tell(Kinds.pod, "DELETED", pod("b"));
  expect(woken).toHaveLength(1);
});

it("takes its own finalizer for no news, unless somebody takes it away", async () => {
  const object = filterDeployment("one");
  await cluster.tell(Kinds.filterDeployment, "ADDED", object);
  woken = [];
  for (const finalizers of [[FINALIZER], [FINALIZER, "theirs"], [FINALIZER]]) {
    await cluster.tell(Kinds.filterDeployment, "MODIFIED", filterDeployment("one", undefined, { finalizers }));
  }
  expect(woken).toEqual([]);
  await cluster.tell(Kinds.filterDeployment, "MODIFIED", filterDeployment("one", undefined, { finalizers: [] }));
  expect(woken).toEqual([["shop/one", 0]]);
});

it("puts deletions first", async () => {
  const object = filterDeployment("one");
  await cluster.tell(Kinds.filterDeployment, "ADDED", object);
  woken = [];
  const going = { ...object, metadata: { ...object.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
  await cluster.tell(Kinds.filterDeployment, "MODIFIED", versioned(going, cluster.version()));
  expect(woken).toEqual([["shop/one", 1]]);
});

it("looks once more after a FilterDeployment when the last of its objects is seen to be gone", async () => {
  const metadata = { name: "web-one", namespace: "shop", labels: { "wasme.io/filter-deployment": "one" } };
  const plugin = (): KubeObject => ({
    apiVersion: "extensions.istio.io/v1alpha1",
    kind: "WasmPlugin",
    metadata: { ...metadata, uid: "p", resourceVersion: cluster.version() },
  });
  await cluster.tell(Kinds.wasmPlugin, "ADDED", plugin());
  woken = [];
  await cluster.tell(Kinds.wasmPlugin, "DELETED", plugin());
  expect(woken.map(([key]) => key)).toEqual(["shop/one"]);
});

it("puts an object right at once, but not on and on against somebody who does the same", async () => {
  await cluster.tell(Kinds.filterDeployment, "ADDED", filterDeployment("one"));
  const plugin = (name: string): KubeObject => ({
    apiVersion: "extensions.istio.io/v1alpha1",
    kind: "WasmPlugin",
    metadata: {
      name,
      namespace: "shop",
      uid: name,
      resourceVersion: cluster.version(),
      labels: { "wasme.io/filter-deployment": "one" },
    },
  });
  const change = async (name: string, times: number): Promise<readonly number[]> => {
    pauses = [];
    for (let i = 0; i < times; i += 1) await cluster.tell(Kinds.wasmPlugin, "MODIFIED", plugin(name));
    return pauses;
  };
  expect(await change("web", 20)).toEqual(Array.from({ length: 20 }, () => 0));
  expect(await change("web", 2)).toEqual([5000, 5000]);
  expect(await change("api", 1)).toEqual([0]);
  pauses = [];
  await cluster.tell(Kinds.wasmPlugin, "DELETED", plugin("web"));
  expect(new Set(pauses)).toEqual(new Set([5000]));
  await clock.advance(5000);
  expect(await change("web", 2)).toEqual([0, 5000]);
  await clock.advance(200_000);
  expect(await change("web", 20)).toEqual(Array.from({ length: 20 }, () => 0));
});
