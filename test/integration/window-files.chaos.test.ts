import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Delivery } from "../../src/domain/delivery.ts";
import type { Via, WorkloadQuery } from "../../src/deploy/request.ts";
import { clusterProgram } from "../cluster/build.ts";
import type { PodPrograms } from "../cluster/pod-programs.ts";
import { component } from "../components/require-component.ts";
import { registryPath } from "../components/registry-kinds.ts";
import { seededRandom } from "../support/random.ts";
import { type Bench, openBench, workload } from "./deploy-support.ts";
import { openVersions, outage, pickSizes, printFigures, startChaos, type Versions } from "./window-chaos.ts";
import { installCache, openWindow, runCaches, type Window } from "./window-support.ts";

const program = await component("cluster", clusterProgram);
const registry = await component("registry", registryPath);
const seed = Number(process.env["WASME_TEST_SEED"] ?? 7);
const sizes = pickSizes({ kills: 6, lateNodes: 2, updates: 2 });

interface Way {
  readonly delivery: Delivery;
  readonly via: Via;
  readonly layout: "solo, two layers" | "compat";
}

const WAYS: readonly Way[] = [
  { delivery: "cache-file", via: "envoyfilter", layout: "solo, two layers" },
  { delivery: "image-volume", via: "wasmplugin", layout: "compat" },
];

interface Stand {
  readonly way: Way;
  readonly bench: Bench;
  readonly versions: Versions | undefined;
}

/** Files are read when a proxy's configuration comes, and never again: what is not there then is refused for good. */
describe.skipIf("skip" in program || "skip" in registry)("delivery by files, by the judge", () => {
  let window: Window;
  let programs: PodPrograms;
  let versions: readonly Versions[] = [];

  beforeAll(async () => {
    window = await openWindow({ files: true, judge: { seed, restartEveryMs: 150, pushDelayMs: 200 } });
    programs = await runCaches(window);
    versions = await Promise.all(WAYS.map(({ layout }) => openVersions(layout)));
  });
  afterAll(async () => {
    await programs?.stop();
    await window?.stop();
    for (const each of versions) await each.stop();
  });

  it(`refuses no pod of a node that was there, through ${sizes.kills} kills, ${sizes.lateNodes} late nodes, ${sizes.updates} updates and an outage`, async () => {
    const { cluster, judge } = window;
    const stands = await Promise.all(
      WAYS.map(async (way, index) => ({ way, bench: await openBench(cluster, "files"), versions: versions[index] })),
    );
    for (const { bench } of stands) {
      const agent = workload(bench.namespace, { name: "agent", kind: "DaemonSet" });
      await cluster.apply([workload(bench.namespace, { replicas: 3 }), agent]);
    }
    await installCache(window);
    const deployAll = (version: number): Promise<unknown> =>
      Promise.all(stands.map((stand) => deploy(window, stand, version)));
    await deployAll(0);
    const chaos = startChaos(window, programs, { ...sizes, random: seededRandom(seed) });
    try {
      for (let version = 1; version <= sizes.updates; version += 1) {
        await deployAll(version);
        if (version === Math.ceil(sizes.updates / 2)) await outage(window, programs, versions);
        if (version % 2 === 0) await Promise.all(stands.map(({ bench }) => undeploy(bench)));
      }
      await chaos.over();
    } finally {
      await chaos.abort();
    }
    await deployAll(sizes.updates + 1);
    await judge.quiet();
    for (const { way, bench } of stands) {
      const report = await judge.report(bench.namespace);
      printFigures(way.delivery, report, chaos);
      expect(report.refusals.filter(({ lateNode }) => !lateNode)).toEqual([]);
      expect(report.refused).toBe(0);
      expect(report.pairs - report.lateNodePairs).toBeGreaterThan(5 * sizes.updates);
      // Only a file of the node can be missing on a node that comes when the object is there already.
      expect(way.delivery === "cache-file" ? 0 : report.lateNodeRefused).toBe(0);
    }
  }, 1_800_000);
});

async function deploy({ cache }: Window, { way, bench, versions }: Stand, version: number): Promise<void> {
  const image = await versions?.image(version);
  const { via, delivery } = way;
  for (const workloads of queries(bench)) {
    const request = { via, delivery, check: false, cache: { ...cache, timeoutMs: 120_000 }, timeoutMs: 120_000 };
    await bench.deploy({ ...request, workloads }, image);
  }
}

async function undeploy(bench: Bench): Promise<void> {
  for (const workloads of queries(bench)) await bench.undeploy({ workloads });
}

function queries({ namespace }: Bench): readonly WorkloadQuery[] {
  return (["Deployment", "DaemonSet"] as const).map((kind) => ({ kind, namespace, labels: {} }));
}
