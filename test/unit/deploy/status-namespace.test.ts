import { expect, it } from "vitest";
import { filterStatus } from "../../../src/deploy/status.ts";
import { firstTrouble, type StatusStep } from "../../../src/deploy/status-step.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import type { KubePort } from "../../../src/kube/port.ts";
import { act, depsOf, start } from "./list-bench.ts";

const GOING = "2026-01-01T00:00:00Z";

/** The first trouble of each filter of the namespace. */
async function troubles(port: KubePort): Promise<readonly (StatusStep | undefined)[]> {
  const all = { id: undefined, allNamespaces: false, labels: {}, kind: undefined, explain: false };
  const { filters } = await filterStatus(depsOf(port), { ...all, namespace: "shop" });
  return filters.map(({ steps }) => firstTrouble(steps));
}

async function deleteSpace(port: KubePort, told: readonly object[] = []): Promise<void> {
  const conditions = [{ type: "NamespaceDeletionDiscoveryFailure", status: "False", message: "all is well" }, ...told];
  const change = { metadata: { deletionTimestamp: GOING }, status: { conditions: conditions } };
  await port.patch({ kind: Kinds.namespace, name: "shop" }, change);
}

it("calls no filter on in a namespace that is being deleted, and tells what the server says is left", async () => {
  const port = (await start()).port();
  await act(port, { namespace: "shop", does: "registry" });
  await deleteSpace(port, [{ type: "NamespaceContentRemaining", status: "True", message: "remaining: pods." }]);
  expect(await troubles(port)).toEqual([
    {
      name: "workload",
      state: "failed",
      message: 'namespace "shop" is being deleted; remaining: pods.',
      fix: "it goes by itself when nothing holds it: kubectl describe namespace shop",
    },
  ]);
});

it("names the FilterDeployment that holds it where no operator is at it, with objects left and without", async () => {
  const port = (await start()).port();
  await port.create(Kinds.filterDeployment, {
    apiVersion: "wasme.io/v1",
    kind: "FilterDeployment",
    metadata: { name: "mine", namespace: "shop", deletionTimestamp: GOING },
    spec: { filter: { image: "ghcr.io/acme/hello:v1" }, deployment: { istio: { kind: "Deployment" } } },
  });
  await deleteSpace(port);
  const held = {
    name: "workload",
    message:
      'namespace "shop" is being deleted, and the finalizer of FilterDeployment mine holds it: no operator is installed',
    fix: `wasme operator manifests | kubectl apply -f -; or, to give up: kubectl patch filterdeployment mine -n shop --type=merge -p '{"metadata":{"finalizers":null}}'`,
  };
  expect(await troubles(port)).toMatchObject([held]);
  await act(port, { namespace: "shop", does: "registry" });
  expect(await troubles(port)).toMatchObject([held, held]);
});

it("names what keeps an operator that runs from ending the deletion", async () => {
  const port = (await start()).port();
  const operator = { kind: Kinds.deployment, namespace: "wasme-operator", name: "wasme-operator" };
  await port.create(Kinds.deployment, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name: operator.name,
      namespace: operator.namespace,
      labels: { "app.kubernetes.io/name": "wasme-operator" },
    },
    status: { availableReplicas: 1 },
  });
  const mine = { kind: Kinds.filterDeployment, namespace: "shop", name: "mine" };
  await port.create(Kinds.filterDeployment, {
    apiVersion: "wasme.io/v1",
    kind: "FilterDeployment",
    metadata: { name: "mine", namespace: "shop", deletionTimestamp: GOING },
  });
  await deleteSpace(port);
  const message = 'namespace "shop" is being deleted, and the finalizer of FilterDeployment mine holds it';
  const look = "kubectl describe filterdeployment mine -n shop";
  expect(await troubles(port)).toMatchObject([{ message, fix: look }]);
  const ready = { type: "Ready", status: "False", reason: "CannotRemove", message: "policy no-touch says no" };
  await port.patch(mine, { status: { conditions: [ready] } });
  expect(await troubles(port)).toMatchObject([
    {
      message: `${message}: policy no-touch says no`,
      fix: expect.stringMatching(/^kubectl describe .*; or, to give up: /u),
    },
  ]);
});
