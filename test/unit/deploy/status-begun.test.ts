import { expect, it } from "vitest";
import { applyPlan } from "../../../src/deploy/apply-plan.ts";
import { planDeploy } from "../../../src/deploy/plan-deploy.ts";
import type { DeployRequest } from "../../../src/deploy/request.ts";
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

it("tells of one on the list of another cache that a filter of the namespace is delivered by", async () => {
  const port = (await start()).port();
  const elsewhere = (id: string): DeployRequest => {
    const request = requestFor("shop", "cache-http");
    return { ...request, id, cache: { ...request.cache, namespace: "edge", name: "near" } };
  };
  const there = await planDeploy(depsOf(port), elsewhere("hello"), imageOf("v1"));
  await applyPlan(depsOf(port), there, { force: false, waits: "block" });
  const plan = await planDeploy(depsOf(port), elsewhere("more"), imageOf("v2"));
  const coming = plan.steps.findIndex((step) => step.type === "announce") + 1;
  await applyPlan(depsOf(port), { steps: plan.steps.slice(0, coming) }, { force: false, waits: "block" });
  const all = { id: undefined, allNamespaces: false, labels: {}, kind: undefined, explain: false };
  expect((await filterStatus(depsOf(port), { ...all, namespace: "shop" })).notes).toEqual([
    expect.stringMatching(
      /edge\/near keeps .* for shop\/more, .*"wasme undeploy istio --id more -n shop --cache-namespace edge --cache-name near"/u,
    ),
  ]);
});
