import { expect, it } from "vitest";
import { filterStatus, type StatusRequest } from "../../../src/deploy/status.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import type { KubePort } from "../../../src/kube/port.ts";
import { act, depsOf, start } from "./list-bench.ts";

const ALL: StatusRequest = {
  id: undefined,
  namespace: "shop",
  allNamespaces: false,
  labels: {},
  kind: undefined,
  explain: false,
};
const NOTE =
  "the cluster does not serve the kind FilterDeployment, so the operator wasme-operator/wasme-operator has nothing to carry out; install the kind, then apply your FilterDeployments: wasme operator manifests --crds only | kubectl apply -f -";

/** A cluster that serves FilterDeployments or not, with an operator for these namespaces; none is all. */
async function clusterWith(served: boolean, watched?: string): Promise<KubePort> {
  const port = (await start()).port();
  const labels = { "app.kubernetes.io/name": "wasme-operator" };
  const env = watched === undefined ? [] : [{ name: "WATCH_NAMESPACES", value: watched }];
  await port.create(Kinds.deployment, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "wasme-operator", namespace: "wasme-operator", labels },
    spec: { template: { spec: { containers: [{ env }] } } },
  });
  return { ...port, served: (kind) => Promise.resolve(served || kind !== Kinds.filterDeployment) };
}

it("says that the kind of FilterDeployments is missing where an operator is there for them", async () => {
  const port = await clusterWith(false);
  expect(await filterStatus(depsOf(port), ALL)).toMatchObject({ filters: [], notes: [NOTE] });
  expect(await filterStatus(depsOf(port), { ...ALL, allNamespaces: true, namespace: undefined })).toMatchObject({
    notes: [NOTE],
  });
  // A filter of that name may have been one of them.
  const one = filterStatus(depsOf(port), { ...ALL, id: "hello" });
  await expect(one).rejects.toMatchObject({ code: "FILTER_NOT_DEPLOYED", hint: NOTE });
  await act(port, { namespace: "shop", does: "registry" });
  const { filters, notes } = await filterStatus(depsOf(port), ALL);
  expect([filters.length, notes]).toEqual([1, [NOTE]]);
});

it("says nothing of it where the kind is served, or no operator looks after the namespace", async () => {
  for (const port of [await clusterWith(true), await clusterWith(false, "mall")]) {
    expect(await filterStatus(depsOf(port), ALL)).toMatchObject({ filters: [], notes: [] });
  }
});
