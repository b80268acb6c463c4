import { expect, it } from "vitest";
import { announcePatch } from "../../../src/deploy/cache-list.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import { mountModules } from "../../../src/mesh/sidecar-annotations.ts";
import type { KubePort } from "../../../src/kube/port.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import { PatientSweep } from "../../../src/operator/patient-sweep.ts";
import { type Sweep, sweep } from "../../../src/operator/sweep.ts";
import type { ReconcilerDeps } from "../../../src/operator/work.ts";
import { type SteadyClock, systemClock } from "../../../src/platform/clock.ts";
import { type Log, silentLog } from "../../../src/platform/json-log.ts";
import { manualClock } from "../../support/manual-clock.ts";
import { memoryLog } from "../../support/memory-log.ts";
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

interface Stray {
  readonly server: MemoryCluster;
  readonly port: KubePort;
  readonly sweeping: (port?: KubePort) => Sweep;
}

/** A mount of the module directory on a workload that the operator once wrote and no object selects; `from` is coming. */
async function strayMount(from?: string, clock: SteadyClock = systemClock, log: Log = silentLog): Promise<Stray> {
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
  const own = { view, settings, announced: new Map(), port: { ...port, live: port }, clock, log };
  const deps = own as unknown as ReconcilerDeps;
  return {
    server,
    port,
    sweeping: (through = port) => ({
      deps,
      namespace: "shop",
      cluster: { port: through, clock, events: () => undefined, trial: false },
    }),
  };
}

function isMounted(server: MemoryCluster): boolean {
  return JSON.stringify(server.find({ kind: Kinds.deployment, namespace: "shop", name: "web" })).includes("userVolume");
}

async function keepsMount(from: string | undefined): Promise<boolean> {
  const { server, sweeping } = await strayMount(from);
  await sweep(sweeping());
  return isMounted(server);
}

it("leaves the module directory on a workload that the command line is putting a filter on", async () => {
  expect(await keepsMount(undefined)).toBe(false);
  expect(await keepsMount("shop/hello")).toBe(true);
  expect(await keepsMount("blog/hello")).toBe(false);
  // A FilterDeployment that is on its way to other workloads.
  expect(await keepsMount("shop/FilterDeployment/hello")).toBe(false);
});

it("holds nobody up when a policy keeps what is left behind, and tries again after a while", async () => {
  const [clock, log] = [manualClock(), memoryLog()];
  const { server, port, sweeping } = await strayMount(undefined, clock, log);
  let tries = 0;
  const patch: KubePort["patch"] = () => {
    tries += 1;
    return Promise.reject(new WasmeError("failed", "KUBE_DENIED", "a policy says no"));
  };
  const denied = sweeping({ ...port, patch });
  await expect(sweep(denied)).rejects.toThrow("a policy says no");
  const patient = new PatientSweep();
  expect(await patient.run(denied)).toBe(200);
  await clock.advance(50);
  expect(await patient.run(denied)).toBe(200);
  expect(tries).toBe(2);
  await clock.advance(150);
  expect(await patient.run(denied)).toBe(400);
  for (let turn = 0; turn < 10; turn += 1) await clock.advance((await patient.run(denied)) ?? 0);
  expect(await patient.run(denied)).toBe(60_000);
  expect(log.entries.filter(({ level }) => level === "warn")).toHaveLength(1);
  await clock.advance(60_000);
  expect(await patient.run(sweeping())).toBeUndefined();
  expect(isMounted(server)).toBe(false);
  const lost = new WasmeError("failed", "LEADER_LOST", "another one leads");
  const other = await strayMount();
  const late = other.sweeping({ ...other.port, patch: () => Promise.reject(lost) });
  await expect(new PatientSweep().run(late)).rejects.toThrow("another one leads");
});
