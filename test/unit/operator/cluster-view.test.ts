import { expect, it } from "vitest";
import { Kinds } from "../../../src/kube/kinds.ts";
import { startHandCluster } from "./hand-cluster.ts";

it("keeps of objects who wrote them, not what each wrote, nor kubectl's copy of them", async () => {
  const cluster = await startHandCluster();
  const metadata = {
    name: "shop",
    namespace: "n",
    resourceVersion: "1",
    annotations: { "kubectl.kubernetes.io/last-applied-configuration": "{}", team: "a" },
    managedFields: [{ manager: "helm", operation: "Update", fieldsV1: { "f:spec": {} }, time: "now" }],
  };
  const spec = { template: { spec: { containers: [{ name: "istio-proxy", image: "proxy", env: [] }] } } };
  try {
    await cluster.tell(Kinds.deployment, "ADDED", { apiVersion: "apps/v1", kind: "Deployment", metadata, spec });
    await cluster.tell(Kinds.filterDeployment, "ADDED", {
      apiVersion: "wasme.io/v1",
      kind: "FilterDeployment",
      metadata,
      spec,
    });
    const shown = { name: "shop", namespace: "n", resourceVersion: "1", annotations: { team: "a" } };
    // The pod template is kept whole: the containers of a gateway are written back as they are here.
    expect(cluster.view.find(Kinds.deployment, "n")?.get("n", "shop")).toEqual({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { ...shown, managedFields: [{ manager: "helm", operation: "Update" }] },
      spec,
    });
    expect(cluster.view.filterDeployments.get("n", "shop")?.metadata).toEqual(shown);
  } finally {
    await cluster.stop();
  }
});
