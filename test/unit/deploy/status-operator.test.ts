import { expect, it } from "vitest";
import { operatorStep } from "../../../src/deploy/status-operator.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import type { StatusStep } from "../../../src/deploy/status-step.ts";

/** What is told of a FilterDeployment with this condition Ready, and more. */
function stepFor(reason: string, ...more: readonly object[]): StatusStep | undefined {
  return stepUnder([], reason, ...more);
}

function stepUnder(
  operators: readonly KubeObject[],
  reason: string,
  ...more: readonly object[]
): StatusStep | undefined {
  const said = 'not allowed to get configmaps "near" in namespace "edge"';
  const message = reason === "Forbidden" ? said : "cannot reach ghcr.io";
  const ready = { type: "Ready", status: "False", reason, message };
  const metadata = { name: "mine", namespace: "shop", generation: 1 };
  const status = { observedGeneration: 1, conditions: [ready, ...more] };
  const wish = { apiVersion: "wasme.io/v1", kind: "FilterDeployment", metadata, status };
  return operatorStep(wish, { all: { seen: [wish] }, operators: { seen: operators } });
}

it("sends nobody into an object for what is not to be mended there", () => {
  expect(stepFor("ImageNotFound")?.fix).toBe("kubectl edit filterdeployment mine -n shop");
  expect(stepFor("RegistryUnreachable")?.fix).toContain("the operator asks again by itself");
  expect(stepFor("WaitingForNodes")).toMatchObject({
    state: "waiting",
    fix: "kubectl get pods -n wasme -l app.kubernetes.io/instance=wasme-cache -o wide",
  });
  expect(stepFor("ModuleUnavailable")).toMatchObject({
    state: "failed",
    fix: "kubectl get pods -n wasme -l app.kubernetes.io/instance=wasme-cache -o wide",
  });
  expect(stepFor("WaitingForRollout")?.fix).toBe("kubectl get pods -n shop");
  expect(stepFor("PullSecretUnusable")?.fix).toBe("correct that Secret; the operator reads it again by itself");
  expect(stepFor("RefusedByCluster")?.fix).toContain("the operator tries again by itself");
  expect(stepFor("CacheWithoutFiles")?.fix).toContain("wasme cache manifests --files | kubectl apply -f -");
});

it("names the cache that the operator of the namespace is told to use", () => {
  const operator = (args: readonly string[], watched: string): KubeObject => {
    const containers = [{ args, env: [{ name: "WATCH_NAMESPACES", value: watched }] }];
    const metadata = { name: "wasme-operator", namespace: "wasme-operator" };
    return { apiVersion: "apps/v1", kind: "Deployment", metadata, spec: { template: { spec: { containers } } } };
  };
  const other = operator(["--cache-name=wasme-cache", "--cache-namespace=wasme"], "mall");
  const own = operator(["operator", "run", "--cache-name=near", "--cache-namespace=edge"], "mall,shop");
  expect(stepUnder([other, own], "CacheNotInstalled")?.fix).toContain(
    "wasme cache manifests -n edge --name near | kubectl apply -f -",
  );
  expect(stepUnder([own], "CacheWithoutFiles")?.fix).toContain("manifests --files -n edge --name near | kubectl");
  expect(stepUnder([other], "CacheNotInstalled")?.fix).toContain("wasme cache manifests | kubectl apply -f -");
  // Its namespace took the operator's role in it along.
  expect(stepUnder([own], "Forbidden")?.fix).toContain(
    "gone, first wasme cache manifests -n edge --name near | kubectl",
  );
  expect(stepUnder([other], "Forbidden")?.fix).not.toContain("wasme cache manifests");
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
