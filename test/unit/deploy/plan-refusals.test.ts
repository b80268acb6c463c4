import { expect, it } from "vitest";
import { planDeploy } from "../../../src/deploy/plan-deploy.ts";
import { planUndeploy } from "../../../src/deploy/plan-undeploy.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import type { KubePort } from "../../../src/kube/port.ts";
import { act, depsOf, imageOf, requestFor, start, undeployFor } from "./list-bench.ts";

const OBJECT = { kind: Kinds.wasmPlugin, namespace: "shop", name: "web-hello" };

it("says who keeps an object before a write is tried, which its keeper's fields would refuse", async () => {
  const cluster = await start();
  const port = cluster.port();
  await act(port, { namespace: "shop", does: "registry" });
  await port.patch(OBJECT, { metadata: { labels: { "wasme.io/filter-deployment": "hello" } } });
  const conflict = new WasmeError("failed", "KUBE_FIELD_CONFLICT", "wasme-operator owns it");
  const denied = new WasmeError("unauthorised", "KUBE_FORBIDDEN", "no");
  const guarded: KubePort = { ...port, apply: () => Promise.reject(conflict) };
  const blind: KubePort = {
    ...guarded,
    list: (one) => (one.kind === Kinds.wasmPlugin ? Promise.reject(denied) : port.list(one)),
  };
  for (const by of [guarded, blind]) {
    const plan = planDeploy({ ...depsOf(by), trial: true }, requestFor("shop", "registry"), imageOf("v2"));
    await expect(plan).rejects.toMatchObject({
      code: "FILTER_MANAGED",
      message: "WasmPlugin shop/web-hello is kept by FilterDeployment shop/hello",
      hint: "change that: kubectl edit filterdeployments.wasme.io hello -n shop; or choose another --id",
    });
  }
  await expect(planUndeploy(depsOf(port), undeployFor("shop"))).rejects.toMatchObject({
    code: "FILTER_MANAGED",
    hint: "its filter goes with it: kubectl delete filterdeployments.wasme.io hello -n shop",
  });
});

it("says how a workload comes by a label that only its pods have", async () => {
  const port = (await start()).port();
  const hintFor = async (labels: Readonly<Record<string, string>>): Promise<unknown> => {
    const asked = requestFor("shop", "registry");
    const request = { ...asked, workloads: { ...asked.workloads, labels } };
    return await planDeploy(depsOf(port), request, imageOf("v1")).catch((error: WasmeError) => error.hint);
  };
  expect(await hintFor({ app: "web" })).toBe(
    "the pods have it, not the Deployment: kubectl label deploy web -n shop app=web",
  );
  expect(await hintFor({ app: "other" })).toContain("kubectl get deploy -n shop --show-labels");
  await port.patch(
    { kind: Kinds.deployment, namespace: "shop", name: "web" },
    { metadata: { labels: { app: "shop" } } },
  );
  expect(await hintFor({ app: "web" })).toContain("--show-labels");
});

it("says which node cache it is that a lost right hides from who only uses it", async () => {
  const port = (await start()).port();
  const denied = new WasmeError("unauthorised", "KUBE_FORBIDDEN", "no");
  const blind: KubePort = {
    ...port,
    get: (one) => (one.kind === Kinds.configMap ? Promise.reject(denied) : port.get(one)),
  };
  const asked = requestFor("shop", "cache-http");
  const request = { ...asked, cache: { ...asked.cache, upkeep: "use" as const } };
  await expect(planDeploy(depsOf(blind), request, imageOf("v1"))).rejects.toMatchObject({
    code: "KUBE_FORBIDDEN",
    details: { cache: "wasme/wasme-cache" },
  });
});
