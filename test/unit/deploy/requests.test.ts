import { describe, expect, it } from "vitest";
import { applyPlan } from "../../../src/deploy/apply-plan.ts";
import type { Plan } from "../../../src/deploy/plan.ts";
import { planDeploy } from "../../../src/deploy/plan-deploy.ts";
import { planUndeploy } from "../../../src/deploy/plan-undeploy.ts";
import type { ClusterDeps } from "../../../src/deploy/request.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { imageOf, requestFor, undeployFor, workload } from "../../integration/deploy-support.ts";
import { MemoryCluster } from "./memory-cluster.ts";

const PLACE = { namespace: "shop", cacheNamespace: "wasme" };
const V1 = imageOf("registry.example.com/team/hello:v1");
const V2 = imageOf("registry.example.com/team/hello:v2");

/** How many requests each step of a filter's life takes on so many workloads. */
async function requests(count: number): Promise<Readonly<Record<string, number>>> {
  let calls = 0;
  const port = new MemoryCluster().port(async () => {
    calls += 1;
  });
  await port.create(Kinds.namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  for (let i = 0; i < count; i += 1) await port.create(Kinds.deployment, workload("shop", { name: `web-${i}` }));
  const deps: ClusterDeps = { port, clock: systemClock, events: () => undefined };
  const base = requestFor(PLACE, { via: "wasmplugin", delivery: "cache-http" });
  const request = { ...base, cache: { ...base.cache, timeoutMs: 0 } };
  const run = async (make: () => Promise<Plan>): Promise<number> => {
    calls = 0;
    await applyPlan(deps, await make(), { force: false, waits: "block" });
    return calls;
  };
  return {
    first: await run(() => planDeploy(deps, request, V1)),
    again: await run(() => planDeploy(deps, request, V1)),
    update: await run(() => planDeploy(deps, request, V2)),
    undeploy: await run(() => planUndeploy(deps, undeployFor(PLACE))),
  };
}

describe("the requests of a deploy", () => {
  it("grow by one for each workload that has to be written, and by none for others", async () => {
    const [few, many] = [await requests(40), await requests(80)];
    const growth = Object.entries(many).map(([step, count]) => [step, count - (few[step] ?? 0)]);
    expect(Object.fromEntries(growth)).toEqual({ first: 40, again: 0, update: 40, undeploy: 40 });
  });
});
