import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { Agent, request as httpsRequest } from "node:https";
import { loadavg } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applyPlan } from "../../src/deploy/apply-plan.ts";
import { type ApplyChange, changesOf, type Plan } from "../../src/deploy/plan.ts";
import { planDeploy } from "../../src/deploy/plan-deploy.ts";
import type { DeployRequest } from "../../src/deploy/request.ts";
import { inParallel } from "../../src/deploy/in-parallel.ts";
import { apiVersion } from "../../src/kube/kinds.ts";
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

/** Seconds of processor time of a program of the cluster, by Linux's own counters of hundredths. */
function processorOf({ directory }: Cluster, program: string): number {
  const pid = readdirSync("/proc").find((name) => {
    try {
      const isIts = /^\d+$/u.test(name) && readlinkSync(`/proc/${name}/cwd`) === directory;
      return isIts && readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0")[1] === program;
    } catch {
      return false; // ended in between
    }
  });
  const [, fields = ""] = readFileSync(`/proc/${pid ?? ""}/stat`, "utf8").split(") ");
  const [user, system] = fields.split(" ").slice(11, 13).map(Number);
  return ((user ?? 0) + (system ?? 0)) / 100;
}

/** The same objects by nothing but requests, as many at once: what is left of a deploy's time is ours. */
async function floor(cluster: Cluster, plan: Pick<Plan, "steps">): Promise<void> {
  const namespace = await cluster.namespace("floor");
  const agent = new Agent({ keepAlive: true, ca: readFileSync(cluster.caFile) });
  const changes = changesOf(plan).filter((change): change is ApplyChange => change.type === "apply");
  const objects = changes.filter(({ object }) => object.metadata.name.endsWith("-hello"));
  const [start, server] = [performance.now(), processorOf(cluster, "kube-apiserver")];
  await inParallel(objects, async ({ object, ref: { kind } }) => {
    const { name } = object.metadata;
    const body = JSON.stringify({ ...object, metadata: { ...object.metadata, namespace } });
    const path = `/apis/${apiVersion(kind)}/namespaces/${namespace}/${kind.plural}/${name}`;
    await new Promise<void>((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${cluster.adminToken}`,
        "content-type": "application/apply-patch+yaml",
        "content-length": Buffer.byteLength(body),
      };
      const url = `${cluster.server}${path}?fieldManager=wasme-cli&fieldValidation=Strict`;
      const call = httpsRequest(url, { method: "PATCH", agent, headers }, (response) => {
        if (response.statusCode !== 201) reject(new Error(`${path}: ${response.statusCode ?? 0}`));
        response.resume().once("end", resolve);
      });
      call.once("error", reject).end(body);
    });
  });
  agent.destroy();
  const took = ((performance.now() - start) / 1000).toFixed(2);
  const used = (processorOf(cluster, "kube-apiserver") - server).toFixed(2);
  process.stdout.write(
    `${objects.length} of these objects by plain requests: ${took} s, ${used} s of processor time of the server; load ${loadavg()[0]?.toFixed(1) ?? ""}\n`,
  );
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
    const measure = async (label: string, image: typeof V1, more: Partial<DeployRequest>): Promise<Plan> => {
      const real = await connectCluster({ clock: systemClock, events: () => undefined }, { file, env: {}, cwd: "/" });
      const seen = counting(real);
      const deps = { port: seen.port, clock: systemClock, events: () => undefined };
      const request = requestFor(place, { via: "wasmplugin", delivery: "cache-http", ...more });
      const [cpu, server] = [process.cpuUsage(), processorOf(cluster, "kube-apiserver")];
      const start = performance.now();
      const plan = await planDeploy(deps, request, image);
      const planned = performance.now();
      const { outcomes } = await applyPlan(deps, plan, { force: false, waits: "block" });
      const end = performance.now();
      real.close();
      const { user, system } = process.cpuUsage(cpu);
      const there = (processorOf(cluster, "kube-apiserver") - server).toFixed(2);
      const used = `processor time ${((user + system) / 1e6).toFixed(2)} s here, ${there} s of the server`;
      const requests = [...seen.counts].map(([name, count]) => `${name} ${count}`).join(", ");
      const ms = (from: number, to: number): string => `${((to - from) / 1000).toFixed(2)} s`;
      process.stdout.write(
        `${label}: plan ${ms(start, planned)}, apply ${ms(planned, end)}, ${outcomes.length} objects, ${used}; ${requests}; at once ${seen.peak}; load ${loadavg()[0]?.toFixed(1) ?? ""}\n`,
      );
      expect(outcomes.length).toBeGreaterThanOrEqual(request.workloads.labels["app"] === undefined ? COUNT : 1);
      return plan;
    };
    const reporter = runReporter(cluster, place.cacheNamespace);
    try {
      await measure("first", V1, { workloads: { kind: "Deployment", namespace, labels: { app: "web-1" } } });
      const plan = await measure("new", V1, {});
      await floor(cluster, plan);
      await measure("again", V1, {});
      await measure("update", V2, {});
    } finally {
      await reporter.stop();
    }
  });
});
