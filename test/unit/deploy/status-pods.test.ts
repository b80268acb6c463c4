import { expect, it } from "vitest";
import { volumeSteps } from "../../../src/deploy/status-pods.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";

/** What to type where pod security forbids the volume, about an object with these owners. */
function fixFor(ownerReferences: readonly object[]): string | undefined {
  const annotations = { "wasme.io/delivery": "cache-file" };
  const object = {
    kind: "EnvoyFilter",
    metadata: { name: "web-hello", namespace: "shop", ownerReferences, annotations },
  };
  const workload = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", namespace: "shop" } };
  const steps = volumeSteps({
    object: object as unknown as KubeObject,
    workload,
    title: "deployment/web",
    namespace: "shop",
    space: {
      labels: { seen: { "pod-security.kubernetes.io/enforce": "restricted" } },
      live: { seen: undefined },
      pods: { seen: [] },
      workloads: new Map(),
    },
    again: "again",
  });
  return steps.find(({ name }) => name === "security")?.fix;
}

it("names the field of the FilterDeployment, or the option of a deploy, that does without a volume", () => {
  expect(fixFor([])).toBe("deploy again with --delivery cache-http: it needs no volume");
  expect(fixFor([{ kind: "FilterDeployment", name: "mine" }])).toBe(
    "write spec.deployment.istio.delivery: cache-http, which needs no volume: kubectl edit filterdeployment mine -n shop",
  );
});
