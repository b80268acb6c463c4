import { expect, it } from "vitest";
import { announcePatch } from "../../../src/deploy/cache-list.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import { mountModules } from "../../../src/mesh/sidecar-annotations.ts";
import { sweep } from "../../../src/operator/sweep.ts";
import type { ReconcilerDeps } from "../../../src/operator/work.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { MemoryCluster } from "../deploy/memory-cluster.ts";

const ENTRY = { key: "sha256-00", value: "registry.example.com/team/hello@sha256:00" };

/** What is asked of the server when this is swept: a list with an entry of the operator that no object needs. */
async function asked(metadata: object): Promise<readonly PropertyKey[]> {
  const managedFields = [{ manager: "wasme-operator", fieldsV1: { "f:data": { [`f:${ENTRY.key}`]: {} } } }];
  const list = { data: { [ENTRY.key]: ENTRY.value }, metadata: { name: "wasme-cache", managedFields, ...metadata } };
  const none = { list: () => [] };
  const view = { workloads: [], filters: [], filterDeployments: none, configMaps: { get: () => list } };
  const settings = { cache: { name: "wasme-cache", namespace: "wasme" }, watchNamespaces: [] };
  const deps = { view, settings, announced: new Map() } as unknown as ReconcilerDeps;
  const calls: PropertyKey[] = [];
  const handler = { get: (_target: object, name: PropertyKey) => () => Promise.resolve(void calls.push(name)) };
  const port = new Proxy({}, handler) as ReconcilerDeps["port"];
  await sweep({
    deps,
    namespace: "shop",
    cluster: { port, clock: systemClock, events: () => undefined, trial: false },
  });
  return calls;
}

it("takes an entry of its own that nothing needs off the list, but does not try while somebody is coming", async () => {
  expect(await asked({})).not.toEqual([]);
  const { metadata } = announcePatch(ENTRY, { from: "shop/hello", coming: true });
  expect(await asked(metadata as object)).toEqual([]);
});

/** Whether the mount of the module directory stays on a workload that the operator once wrote and no object selects. */
async function keepsMount(from: string | undefined): Promise<boolean> {
  const server = new MemoryCluster();
  const port = server.port();
  const cache = { name: "wasme-cache", namespace: "wasme" };
  const said = from === undefined ? {} : (announcePatch(ENTRY, { from, coming: true })["metadata"] as object);
  await port.create(Kinds.configMap, { apiVersion: "v1", kind: "ConfigMap", metadata: { ...cache, ...said } });
  const { changes } = mountModules({});
  const workload = await port.create(Kinds.deployment, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "shop", managedFields: [{ manager: "wasme-operator" }] },
    spec: { template: { metadata: { annotations: changes } } },
  });
  const none = { list: () => [] };
  const view = {
    workloads: [{ kind: Kinds.deployment, list: () => [workload] }],
    filters: [],
    filterDeployments: none,
    configMaps: undefined,
  };
  const settings = { cache, watchNamespaces: ["shop"] };
  const deps = { view, settings, announced: new Map(), port: { ...port, live: port } } as unknown as ReconcilerDeps;
  await sweep({
    deps,
    namespace: "shop",
    cluster: { port, clock: systemClock, events: () => undefined, trial: false },
  });
  const ref = { kind: Kinds.deployment, namespace: "shop", name: "web" };
  return JSON.stringify(server.find(ref)).includes("userVolume");
}

it("leaves the module directory on a workload that the command line is putting a filter on", async () => {
  expect(await keepsMount(undefined)).toBe(false);
  expect(await keepsMount("shop/hello")).toBe(true);
  expect(await keepsMount("blog/hello")).toBe(false);
  // A FilterDeployment that is on its way to other workloads.
  expect(await keepsMount("shop/FilterDeployment/hello")).toBe(false);
});
