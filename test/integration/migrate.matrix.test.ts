import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DeployRequest } from "../../src/deploy/request.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import type { ClusterClient } from "../cluster/api.ts";
import { component } from "../components/require-component.ts";
import type { OldDeploy } from "../support/old-wasme.ts";
import { imageOf, type WorkloadShape, workload } from "./deploy-support.ts";
import { inGroups, type MigrateBench, moduleOf, openMigrateBench } from "./migrate-support.ts";

const cluster = await component("cluster", () => startCluster());
const OWN = {
  "sidecar.istio.io/userVolume": '[{"name":"mine",   "emptyDir":{}}]',
  "sidecar.istio.io/userVolumeMount": '[{"mountPath":"/mine", "name":"mine"}]',
};
/** The same as the old tool words it: all that is left where it lost the user's wording. */
const OWN_REWORDED = {
  "sidecar.istio.io/userVolume": '[{"emptyDir":{},"name":"mine"}]',
  "sidecar.istio.io/userVolumeMount": '[{"mountPath":"/mine","name":"mine"}]',
};
/** For all states of one way; each alone takes seconds. */
const MINUTES = { timeout: 180_000 };
const WEB = { name: "web" };
const CONFIG = '{"greeting":"hello"}';

/** What the old tool was made to do, and what a fresh deploy is to be compared with. */
interface StartState {
  readonly name: string;
  readonly shape?: WorkloadShape;
  readonly leave: (bench: MigrateBench, client: ClusterClient) => Promise<void>;
  /** Filters that are there after all, the first that was made first. */
  readonly ids: readonly string[];
  /** The user's own annotations that can be known then. */
  readonly own?: Readonly<Record<string, string>>;
}

type How = Pick<DeployRequest, "via" | "delivery">;

interface Comparison {
  readonly found: unknown;
  readonly wanted: unknown;
}

const imageNamed = (id: string): string => `registry.example.com/team/${id}:v1`;

async function deployOld(bench: MigrateBench, id: string, more: Partial<OldDeploy> = {}): Promise<void> {
  const image = imageNamed(id);
  await bench.old.deploy({ id, image, module: moduleOf(image), config: CONFIG, workload: WEB, ...more });
}

async function deleteFilter(client: ClusterClient, bench: MigrateBench, name: string): Promise<void> {
  await client.request(
    "DELETE",
    `/apis/networking.istio.io/v1alpha3/namespaces/${bench.namespace}/envoyfilters/${name}`,
  );
}

const three = async (bench: MigrateBench): Promise<void> => {
  await bench.old.installCache();
  for (const id of ["f1", "f2", "f3"]) await deployOld(bench, id);
};

const withoutDaemonSet: StartState = {
  name: "the old DaemonSet deleted by hand",
  leave: async (bench, client) => {
    await bench.old.installCache();
    await deployOld(bench, "f1");
    const { cacheNamespace } = bench;
    await client.request("DELETE", `/apis/apps/v1/namespaces/${cacheNamespace}/daemonsets/wasme-cache`);
  },
  ids: ["f1"],
};

const states: readonly StartState[] = [
  {
    name: "one filter on a workload with volumes of the user's",
    leave: async (bench) => {
      await bench.old.installCache();
      await deployOld(bench, "f1");
    },
    ids: ["f1"],
  },
  {
    name: "the form for Istio up to 1.6",
    leave: async (bench) => {
      await bench.old.installCache();
      await deployOld(bench, "f1", { form: "config" });
    },
    ids: ["f1"],
  },
  {
    name: "a workload without annotations of the user's",
    shape: { annotations: {} },
    own: {},
    leave: async (bench) => {
      await bench.old.installCache();
      await deployOld(bench, "f1");
    },
    ids: ["f1"],
  },
  { name: "three filters, the backups overwritten", leave: three, ids: ["f1", "f2", "f3"], own: OWN_REWORDED },
  {
    name: "the first of three undeployed: its volume left as if it were the user's",
    leave: async (bench) => {
      await three(bench);
      await bench.old.undeploy("f1", WEB);
    },
    ids: ["f2", "f3"],
    own: OWN_REWORDED,
  },
  {
    name: "two of three undeployed: all annotations lost, the third filter without its file",
    leave: async (bench) => {
      await three(bench);
      await bench.old.undeploy("f1", WEB);
      await bench.old.undeploy("f2", WEB);
    },
    ids: ["f3"],
    own: {},
  },
  {
    name: "an undeploy of an id that was never there",
    leave: async (bench) => {
      await bench.old.installCache();
      await deployOld(bench, "f1");
      await bench.old.undeploy("other", WEB).catch(() => undefined);
    },
    ids: ["f1"],
  },
  withoutDaemonSet,
  {
    name: "a StatefulSet",
    shape: { kind: "StatefulSet" },
    leave: async (bench) => {
      await bench.old.installCache();
      await deployOld(bench, "f1", { workload: { kind: "statefulsets", name: "web" } });
    },
    ids: ["f1"],
  },
  {
    name: "a DaemonSet",
    shape: { kind: "DaemonSet" },
    leave: async (bench) => {
      await bench.old.installCache();
      await deployOld(bench, "f1", { workload: { kind: "daemonsets", name: "web" } });
    },
    ids: ["f1"],
  },
];

describe.skipIf("skip" in cluster)("migrate leaves what a fresh deploy leaves, and nothing else", () => {
  let client: Cluster;
  beforeAll(() => {
    if ("ready" in cluster) client = cluster.ready;
  });
  afterAll(() => client.stop());

  const withWeb = async (prefix: string, shape: WorkloadShape = {}): Promise<MigrateBench> => {
    const bench = await openMigrateBench(client, prefix, { alone: true });
    await client.apply(workload(bench.namespace, { annotations: OWN, replicas: 1, ...shape }));
    return bench;
  };
  /** Many states end in the same. */
  const known = new Map<string, Promise<unknown>>();
  const fresh = (state: StartState, more: How): Promise<unknown> => {
    const { shape, own, ids } = state;
    const key = JSON.stringify({ shape, own, ids, more });
    const found = known.get(key) ?? deployFresh(state, more);
    known.set(key, found);
    return found;
  };
  /** What today's tool leaves in a namespace the old one never saw; the first filter first. */
  const deployFresh = async (state: StartState, more: How): Promise<unknown> => {
    const bench = await withWeb("fresh", { ...state.shape, annotations: state.own ?? OWN });
    const kind = state.shape?.kind ?? "Deployment";
    for (const [at, id] of state.ids.entries()) {
      const image = imageOf(imageNamed(id));
      const priority = 10 * (state.ids.length - at);
      const workloads = { kind, namespace: bench.namespace, labels: {} } as const;
      await bench.deploy({ id, image: image.reference, priority, config: CONFIG, workloads, ...more }, image);
    }
    return await bench.state();
  };
  const compare = async (state: StartState, more: How, same: How = more): Promise<Comparison> => {
    const bench = await withWeb("old", state.shape);
    await state.leave(bench, client);
    const result = await bench.migrate(more);
    const there = await bench.state();
    const again = await bench.migrate(more);
    const ids = result.filters.map(({ filter }) => filter.old.id);
    return {
      found: { ids, there, again: again.mode },
      wanted: { ids: state.ids, there: await fresh(state, same), again: "nothing" },
    };
  };

  /** A few side by side: most of a case is waiting for pods. */
  const compareAll = async (some: readonly StartState[], more: How, same: How = more): Promise<Comparison> => {
    const all = await inGroups(some, async (state) => ({ name: state.name, ...(await compare(state, more, same)) }));
    return {
      found: all.map(({ name, found }) => ({ name, found })),
      wanted: all.map(({ name, wanted }) => ({ name, found: wanted })),
    };
  };

  it("by file", MINUTES, async () => {
    const { found, wanted } = await compareAll(states, { via: "envoyfilter", delivery: "cache-file" });
    expect(found).toEqual(wanted);
  });

  it("from today's cache", MINUTES, async () => {
    const some = states.filter(({ ids, own }) => ids.length !== 2 && own !== undefined);
    const { found, wanted } = await compareAll(
      some,
      { via: "auto", delivery: "auto" },
      { via: "auto", delivery: "cache-http" },
    );
    expect(found).toEqual(wanted);
  });

  it("from today's cache, asked for where the old DaemonSet is gone", async () => {
    const { found, wanted } = await compareAll([withoutDaemonSet], { via: "auto", delivery: "cache-http" });
    expect(found).toEqual(wanted);
  });

  it("from the registry", MINUTES, async () => {
    const some = states.filter(({ ids }) => ids.length > 1);
    const { found, wanted } = await compareAll(some, { via: "wasmplugin", delivery: "registry" });
    expect(found).toEqual(wanted);
  });

  describe("without filters", () => {
    it("takes the cache away where it is all there is", async () => {
      const bench = await withWeb("only");
      const before = await bench.state();
      await bench.old.installCache();
      expect((await bench.migrate()).mode).toBe("applied");
      expect(await bench.state()).toEqual(before);
    });

    it("takes annotations away whose filters somebody has deleted", async () => {
      const bench = await withWeb("noted");
      const before = await bench.state();
      await bench.old.installCache();
      await deployOld(bench, "f1");
      await deleteFilter(client, bench, "web-f1");
      await bench.migrate();
      expect(await bench.state()).toEqual(before);
    });

    it("says that there is nothing to do", async () => {
      const bench = await withWeb("none");
      const before = await bench.state();
      const asked: string[] = [];
      const confirm = async (message: string): Promise<boolean> => asked.push(message) < 0;
      expect(await bench.migrate({}, { confirm })).toMatchObject({ mode: "nothing", outcomes: [] });
      expect(asked).toEqual([]);
      expect(bench.lines()).toContain("nothing of the old wasme is to be migrated");
      expect(await bench.state()).toEqual(before);
    });
  });
});
