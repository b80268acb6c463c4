import { expect, it } from "vitest";
import { WasmeError } from "../../../src/domain/errors.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import type { KubePort } from "../../../src/kube/port.ts";
import { createClusterView } from "../../../src/operator/cluster-view.ts";
import { silentLog } from "../../../src/platform/json-log.ts";
import { manualClock } from "../../support/manual-clock.ts";
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

it("goes on without the namespace of the node cache, and does not take it for an empty one", async () => {
  const clock = manualClock();
  const end = new AbortController();
  const port: Pick<KubePort, "pages" | "watch"> = {
    pages: async function* ({ kind }) {
      if (kind === Kinds.configMap) throw new WasmeError("unauthorised", "KUBE_FORBIDDEN", "not allowed");
      yield { items: [], resourceVersion: "1" };
    },
    watch: async function* (_selection, _version, _signal, opened) {
      opened?.();
      await clock.sleep(1e9, end.signal);
      yield* [];
    },
  };
  const cache = { name: "wasme-cache", namespace: "wasme" };
  const view = createClusterView({ port, clock, log: silentLog }, { watchNamespaces: [], cache }, () => undefined);
  const running = Promise.all(view.all.map((kind) => kind.run(end.signal)));
  const open = (): readonly string[] => view.all.filter((kind) => !kind.settled).map(({ kind }) => kind.plural);
  await clock.advance(9000);
  expect(open()).toEqual(["configmaps"]);
  await clock.advance(2000);
  expect(open()).toEqual([]);
  expect(view.find(Kinds.configMap, "wasme")).toBeUndefined();
  expect(view.find(Kinds.pod, "wasme")).toBeDefined();
  end.abort();
  await running;
});
