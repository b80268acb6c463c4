import { expect, it } from "vitest";
import type { OurObject } from "../../../src/deploy/our-objects.ts";
import type { Via } from "../../../src/deploy/request.ts";
import type { FilterStatus } from "../../../src/deploy/status-step.ts";
import type { Survey } from "../../../src/deploy/status-survey.ts";
import { unmade } from "../../../src/deploy/status-unmade.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";

const ALL = { id: undefined, labels: {}, kind: undefined };

function wishFor(workloads: readonly string[], ready = "True"): KubeObject {
  const conditions = [{ type: "Ready", status: ready, reason: "Deployed", message: "2 of 2" }];
  const succeeded = Object.fromEntries(workloads.map((name) => [name, { state: "Succeeded" }]));
  const status = { observedGeneration: 1, conditions, workloads: succeeded, via: "wasmplugin", filter: "hello" };
  const metadata = { name: "mine", namespace: "shop", generation: 1 };
  const spec = { filter: { image: "ghcr.io/acme/hello:v1" }, deployment: { istio: { kind: "DaemonSet" } } };
  return { apiVersion: "wasme.io/v1", kind: "FilterDeployment", metadata, spec, status };
}

function madeFor(workload: string): OurObject {
  const labels = { "wasme.io/filter-deployment": "mine", "wasme.io/workload": workload };
  const metadata = { name: `${workload}-hello`, namespace: "shop", labels };
  return { object: { apiVersion: "extensions.istio.io/v1alpha1", kind: "WasmPlugin", metadata }, via: "wasmplugin" };
}

function look(
  wish: KubeObject,
  ours: readonly OurObject[],
  more: {
    readonly operators?: readonly KubeObject[];
    readonly denied?: readonly Via[];
    readonly spaces?: Survey["spaces"];
  } = {},
): readonly FilterStatus[] {
  const wishes = { all: { seen: [wish] }, operators: { seen: more.operators ?? [] } };
  return unmade({ ours, denied: more.denied ?? [], spaces: more.spaces ?? new Map() }, wishes, ALL);
}

it("calls nothing on of which there is no object, whatever the FilterDeployment says", () => {
  const [row, ...others] = look(wishFor(["web"]), []);
  expect(others).toEqual([]);
  expect(row).toMatchObject({ state: "waiting", workload: "daemonset/web", object: undefined });
  expect(row?.steps.at(-1)).toMatchObject({
    name: "object",
    message: "the WasmPlugin for daemonset/web is not there",
    fix: expect.stringContaining("the operator makes it again by itself") as string,
  });
  expect(look(wishFor([]), [])).toMatchObject([{ state: "waiting", workload: undefined }]);
});

it("says that nobody makes it again where the operator does not run", () => {
  const metadata = { name: "wasme-operator", namespace: "wasme-operator" };
  const operator = { apiVersion: "apps/v1", kind: "Deployment", metadata, spec: { replicas: 0 } };
  const [row] = look(wishFor(["web"]), [], { operators: [operator] });
  expect(row).toMatchObject({ state: "off" });
  expect(row?.steps.at(-1)).toMatchObject({
    message:
      "the WasmPlugin for daemonset/web is not there, and the operator wasme-operator/wasme-operator is scaled to 0",
    fix: "kubectl scale deployment/wasme-operator -n wasme-operator --replicas 1",
  });
});

it("names the workloads whose object is gone beside those that have theirs", () => {
  expect(look(wishFor(["web", "cart"]), [madeFor("web")])).toMatchObject([{ workload: "daemonset/cart" }]);
  expect(look(wishFor(["web", "cart"]), [madeFor("web"), madeFor("cart")])).toEqual([]);
  // What the FilterDeployment itself waits for is told with each of its objects.
  expect(look(wishFor(["web", "cart"], "False"), [madeFor("web")])).toEqual([]);
});

it("does not call gone what may not be seen", () => {
  const [row] = look(wishFor(["web"]), [], { denied: ["wasmplugin"] });
  expect(row).toMatchObject({ state: "on" });
  expect(row?.steps.at(-1)).toMatchObject({ name: "object", state: "unknown" });
});
