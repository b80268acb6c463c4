import { expect, it } from "vitest";
import { applyPlan } from "../../../src/deploy/apply-plan.ts";
import { planDeploy } from "../../../src/deploy/plan-deploy.ts";
import { filterStatus } from "../../../src/deploy/status.ts";
import { depsOf, imageOf, requestFor, start } from "./list-bench.ts";

it("tells of a deploy that was begun and has made no object", async () => {
  const port = (await start()).port();
  const plan = await planDeploy(depsOf(port), requestFor("shop", "cache-http"), imageOf("v1"));
  const coming = plan.steps.findIndex((step) => step.type === "announce") + 1;
  await applyPlan(depsOf(port), { steps: plan.steps.slice(0, coming) }, { force: false, waits: "block" });
  const all = { id: undefined, allNamespaces: false, labels: {}, kind: undefined, explain: false };
  const notes = async (namespace: string): Promise<readonly string[]> =>
    (await filterStatus(depsOf(port), { ...all, namespace })).notes;
  expect(await notes("shop")).toEqual([
    expect.stringMatching(/keeps .*hello.* for shop\/hello, .*"wasme undeploy istio --id hello -n shop"/u),
  ]);
  expect(await notes("mall")).toEqual([]);
});
