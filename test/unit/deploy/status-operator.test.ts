import { expect, it } from "vitest";
import { operatorStep } from "../../../src/deploy/status-operator.ts";
import type { StatusStep } from "../../../src/deploy/status-step.ts";

/** What is told of a FilterDeployment with this condition Ready, and more. */
function stepFor(reason: string, ...more: readonly object[]): StatusStep | undefined {
  const ready = { type: "Ready", status: "False", reason, message: "cannot reach ghcr.io" };
  const metadata = { name: "mine", namespace: "shop", generation: 1 };
  const status = { observedGeneration: 1, conditions: [ready, ...more] };
  const wish = { apiVersion: "wasme.io/v1", kind: "FilterDeployment", metadata, status };
  return operatorStep(wish, { all: { seen: [wish] }, operators: { seen: [] } });
}

it("sends nobody into an object for what is not to be mended there", () => {
  expect(stepFor("ImageNotFound")?.fix).toBe("kubectl edit filterdeployment mine -n shop");
  expect(stepFor("RegistryUnreachable")?.fix).toContain("the operator asks again by itself");
  expect(stepFor("CacheWithoutFiles")?.fix).toContain("wasme cache manifests --files | kubectl apply -f -");
});

it("says that the filter of before runs on when an update was refused", () => {
  const degraded = { type: "Degraded", reason: "OldFilterStays" };
  const message = "FilterDeployment mine: cannot reach ghcr.io";
  expect(stepFor("Refused", { ...degraded, status: "True" })).toMatchObject({
    state: "failed",
    message: `${message}; the filter as it was deployed before stays`,
  });
  expect(stepFor("Refused", { ...degraded, reason: "NothingDeployed", status: "False" })?.message).toBe(message);
});
