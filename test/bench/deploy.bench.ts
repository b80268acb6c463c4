import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applyPlan } from "../../src/deploy/apply-plan.ts";
import { planDeploy } from "../../src/deploy/plan-deploy.ts";
import type { DeployRequest } from "../../src/deploy/request.ts";
import { connectCluster } from "../../src/kube/adapter.ts";
import type { KubePort } from "../../src/kube/port.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { runReporter } from "../integration/deploy-reporter.ts";
import { imageOf, requestFor, workload } from "../integration/deploy-support.ts";

/** Workloads in one namespace, no pods: what is measured is the plan, not their roll-out. */
const COUNT = Number(process.env["WASME_BENCH_WORKLOADS"] ?? "1000");
const V1 = imageOf("registry.example.com/team/hello:v1");
const V2 = imageOf("registry.example.com/team/hello:v2");

/** Counts requests by method of the port, and how many are under way at once at most. */
function counting(port: KubePort): { readonly port: KubePort; readonly counts: Map<string, number>; peak: number } {
  const seen = { port, counts: new Map<string, number>(), peak: 0 };
  let open = 0;
  const counted = ["get", "list", "apply", "patch", "create", "delete", "version", "served", "accessReview"] as const;
  const wrapped = Object.fromEntries(
    counted.map((name) => {
      const call = port[name] as (...given: unknown[]) => Promise<unknown>;
      return [
        name,
        async (...given: unknown[]): Promise<unknown> => {
          seen.counts.set(name, (seen.counts.get(name) ?? 0) + 1);
          open += 1;
          seen.peak = Math.max(seen.peak, open);
          try {
            return await call(...given);
          } finally {
            open -= 1;
          }
        },
      ];
    }),
  );
  seen.port = { ...port, ...wrapped };
  return seen;
}

describe("deploy", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster({ nodes: 3 });
  }, 120_000);
  afterAll(async () => {
    await cluster.stop();
  });

  it(`plans and applies ${COUNT} workloads by cache-http`, { timeout: 600_000 }, async () => {
    const namespace = await cluster.namespace("bench");
    const names = Array.from({ length: COUNT }, (_, index) => `web-${index + 1}`);
    for (let at = 0; at < names.length; at += 20) {
      await Promise.all(
        names.slice(at, at + 20).map((name) => cluster.apply(workload(namespace, { name, replicas: 0 }))),
      );
    }
    const place = { namespace, cacheNamespace: `${namespace}-cache` };
    const file = await cluster.adminKubeconfig(namespace);
    const measure = async (label: string, image: typeof V1, more: Partial<DeployRequest>): Promise<void> => {
      const real = await connectCluster({ clock: systemClock, events: () => undefined }, { file, env: {}, cwd: "/" });
      const seen = counting(real);
      const deps = { port: seen.port, clock: systemClock, events: () => undefined };
      const request = requestFor(place, { via: "wasmplugin", delivery: "cache-http", ...more });
      const cpu = process.cpuUsage();
      const start = performance.now();
      const plan = await planDeploy(deps, request, image);
      const planned = performance.now();
      const { outcomes } = await applyPlan(deps, plan, { force: false, waits: "block" });
      const end = performance.now();
      real.close();
      const { user, system } = process.cpuUsage(cpu);
      const used = `${((user + system) / 1e6).toFixed(2)} s of processor time here`;
      const requests = [...seen.counts].map(([name, count]) => `${name} ${count}`).join(", ");
      const ms = (from: number, to: number): string => `${((to - from) / 1000).toFixed(2)} s`;
      process.stdout.write(
        `${label}: plan ${ms(start, planned)}, apply ${ms(planned, end)}, ${outcomes.length} objects, ${used}; ${requests}; at once ${seen.peak}\n`,
      );
      expect(outcomes.length).toBeGreaterThanOrEqual(request.workloads.labels["app"] === undefined ? COUNT : 1);
    };
    const reporter = runReporter(cluster, place.cacheNamespace);
    try {
      await measure("first", V1, { workloads: { kind: "Deployment", namespace, labels: { app: "web-1" } } });
      await measure("new", V1, {});
      await measure("again", V1, {});
      await measure("update", V2, {});
    } finally {
      await reporter.stop();
    }
  });
});
