import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { DeployRequest, WorkloadQuery } from "../../src/deploy/request.ts";
import { clusterProgram } from "../cluster/build.ts";
import type { PodPrograms } from "../cluster/pod-programs.ts";
import { component } from "../components/require-component.ts";
import { registryPath } from "../components/registry-kinds.ts";
import type { JudgedObject } from "../judge/start.ts";
import { seededRandom } from "../support/random.ts";
import { type Bench, openBench, workload } from "./deploy-support.ts";
import {
  type Chaos,
  openVersions,
  outage,
  pickSizes,
  printFigures,
  startChaos,
  type Versions,
} from "./window-chaos.ts";
import { installCache, openWindow, runCaches, type Window } from "./window-support.ts";

const program = await component("cluster", clusterProgram);
const registry = await component("registry", registryPath);
const sizes = pickSizes({ kills: 15, lateNodes: 3, updates: 4 });
const seed = Number(process.env["WASME_TEST_SEED"] ?? 7);

describe.skipIf("skip" in program || "skip" in registry)("delivery over HTTP, by the judge", () => {
  let window: Window;
  let programs: PodPrograms;
  let versions: Versions;
  let chaos: Chaos | undefined;

  beforeAll(async () => {
    versions = await openVersions("solo, two layers");
    window = await openWindow({
      cluster: { nodes: 3 },
      judge: { seed, restartEveryMs: 300, pushDelayMs: 400, slowPushMs: 3000, routeDelayMs: 500 },
    });
    programs = await runCaches(window);
  });
  afterEach(() => chaos?.abort());
  afterAll(async () => {
    await programs?.stop();
    await window?.stop();
    await versions?.stop();
  });

  it(`refuses no pod any version through ${sizes.kills} kills, ${sizes.lateNodes} late nodes, ${sizes.updates} updates and an outage`, async () => {
    const { cluster, judge } = window;
    const random = seededRandom(seed);
    const bench = await openBench(cluster, "window", { cacheRests: true });
    const { namespace } = bench;
    await cluster.apply([
      workload(namespace, { replicas: 4 }),
      workload(namespace, { name: "agent", kind: "DaemonSet" }),
    ]);
    // In the long run the first deploy makes the cache, and undeploys take it away: its namespace takes seconds to go.
    if (sizes.kills < 100) await installCache(window);
    const deploy = async (version: number): Promise<void> => {
      const image = await versions.image(version);
      for (const kind of ["Deployment", "DaemonSet"] as const)
        await bench.deploy(requestFor(window, bench, kind), image);
    };
    await deploy(0);
    await judge.heard(await pluginOf(bench, "web"), 4);
    chaos = startChaos(window, programs, { ...sizes, random });
    for (let version = 1; version <= sizes.updates; version += 1) {
      await deploy(version);
      await cluster.apply(workload(namespace, { replicas: random.int(4, 7) }));
      if (version === Math.ceil(sizes.updates / 2)) await outage(window, programs, [versions]);
      if (version % 3 === 0) {
        for (const kind of ["Deployment", "DaemonSet"] as const)
          await Promise.all([bench.undeploy({ workloads: query(bench, kind) }), judge.restart(4)]);
      }
    }
    await chaos.over();
    await deploy(sizes.updates + 1);
    await judge.heard(await pluginOf(bench, "web"), 4);
    const report = await judge.quiet();
    printFigures("cache-http", report, chaos);
    expect(report.refusals).toEqual([]);
    expect({ refused: report.refused, late: report.lateNodeRefused }).toEqual({ refused: 0, late: 0 });
    expect(chaos.done()).toEqual({ kills: sizes.kills, lateNodes: sizes.lateNodes });
  }, 900_000);
});

function requestFor(window: Window, bench: Bench, kind: "Deployment" | "DaemonSet"): Partial<DeployRequest> {
  return {
    via: "wasmplugin",
    delivery: "cache-http",
    check: false,
    cache: { ...window.cache, timeoutMs: 120_000 },
    workloads: query(bench, kind),
  };
}

function query({ namespace }: Bench, kind: "Deployment" | "DaemonSet"): WorkloadQuery {
  return { kind, namespace, labels: {} };
}

async function pluginOf(bench: Bench, name: string): Promise<JudgedObject> {
  return (await bench.read("extensions.istio.io/v1alpha1", `wasmplugins/${name}-hello`)) as JudgedObject;
}
