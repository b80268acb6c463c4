import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Delivery } from "../../src/domain/delivery.ts";
import type { Via, WorkloadQuery } from "../../src/deploy/request.ts";
import { clusterProgram } from "../cluster/build.ts";
import type { PodPrograms } from "../cluster/pod-programs.ts";
import { component } from "../components/require-component.ts";
import { registryPath } from "../components/registry-kinds.ts";
import { seededRandom } from "../support/random.ts";
import { openBench, workload } from "./deploy-support.ts";
import { type Chaos, openVersions, pickSizes, printFigures, startChaos, type Versions } from "./window-chaos.ts";
import { installCache, openWindow, runCaches, type Window } from "./window-support.ts";

const program = await component("cluster", clusterProgram);
const registry = await component("registry", registryPath);
const seed = Number(process.env["WASME_TEST_SEED"] ?? 7);

interface Case {
  readonly delivery: Delivery;
  readonly via: Via;
  readonly layout: "solo, two layers" | "compat";
}

const cases: readonly Case[] = [
  { delivery: "cache-file", via: "envoyfilter", layout: "solo, two layers" },
  { delivery: "image-volume", via: "wasmplugin", layout: "compat" },
];

/** Files are read when a proxy's configuration comes, and never again: what is not there then is refused for good. */
describe.skipIf("skip" in program || "skip" in registry).each(cases)("delivery by $delivery, by the judge", (each) => {
  const sizes = pickSizes({ kills: 6, lateNodes: 2, updates: 2 });
  let window: Window;
  let programs: PodPrograms;
  let versions: Versions;
  let chaos: Chaos | undefined;

  beforeAll(async () => {
    versions = await openVersions(each.layout);
    window = await openWindow({ files: true, judge: { seed, restartEveryMs: 300, pushDelayMs: 200 } });
    programs = await runCaches(window);
  });
  afterEach(() => chaos?.abort());
  afterAll(async () => {
    await programs?.stop();
    await window?.stop();
    await versions?.stop();
  });

  it(`refuses no pod of a node that was there, through ${sizes.kills} kills, ${sizes.lateNodes} late nodes and ${sizes.updates} updates`, async () => {
    const { cluster, judge, cache } = window;
    const bench = await openBench(cluster, "files");
    const { namespace } = bench;
    await cluster.apply([
      workload(namespace, { replicas: 3 }),
      workload(namespace, { name: "agent", kind: "DaemonSet" }),
    ]);
    await installCache(window);
    const kinds: readonly WorkloadQuery[] = (["Deployment", "DaemonSet"] as const).map((kind) => ({
      kind,
      namespace,
      labels: {},
    }));
    const deploy = async (version: number): Promise<void> => {
      const image = await versions.image(version);
      const { via, delivery } = each;
      for (const workloads of kinds) {
        const request = { via, delivery, check: false, cache: { ...cache, timeoutMs: 120_000 }, workloads };
        await bench.deploy({ ...request, timeoutMs: 120_000 }, image);
      }
    };
    await deploy(0);
    chaos = startChaos(window, programs, { ...sizes, random: seededRandom(seed) });
    for (let version = 1; version <= sizes.updates; version += 1) {
      await deploy(version);
      if (version % 2 === 0) for (const workloads of kinds) await bench.undeploy({ workloads });
    }
    await chaos.over();
    await deploy(sizes.updates + 1);
    const report = await judge.quiet();
    printFigures(each.delivery, report, chaos);
    expect(report.refusals.filter(({ lateNode }) => !lateNode)).toEqual([]);
    expect(report.refused).toBe(0);
    expect(report.pairs - report.lateNodePairs).toBeGreaterThan(5 * sizes.updates);
    // Only files of the node can be missing on a node that comes when the object is there already.
    expect(each.delivery === "cache-file" ? 0 : report.lateNodeRefused).toBe(0);
  }, 900_000);
});
