import { expect, it } from "vitest";
import { planUndeploy } from "../../../src/deploy/plan-undeploy.ts";
import { filterStatus } from "../../../src/deploy/status.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import type { KubePort } from "../../../src/kube/port.ts";
import { act, depsOf, start, undeployFor } from "./list-bench.ts";

const ASKED = { id: undefined, namespace: "shop", allNamespaces: false, labels: {}, kind: undefined, explain: false };

/** Where an old wasme deployed filter `auth` on web. */
async function startOld(): Promise<KubePort> {
  const port = (await start()).port();
  const code = { local: { filename: `/var/local/lib/wasme-cache/${"a".repeat(64)}` } };
  const value = { config: { config: { name: "auth", vmConfig: { code } } } };
  const spec = { configPatches: [{ match: { context: "SIDECAR_INBOUND" }, patch: { value } }] };
  const object = { apiVersion: "networking.istio.io/v1alpha3", kind: "EnvoyFilter", metadata: META, spec };
  await port.create(Kinds.envoyFilter, object);
  return port;
}

const META = { name: "web-auth", namespace: "shop", managedFields: [{ manager: "wasme", operation: "Update" }] };

it("tells of filters of an old wasme, and what to type", async () => {
  const port = await startOld();
  const note =
    "there is 1 EnvoyFilter of an old wasme in namespace shop: wasme migrate -n shop turns it into a filter of today";
  expect((await filterStatus(depsOf(port), ASKED)).notes).toEqual([note]);
  expect((await filterStatus(depsOf(port), { ...ASKED, namespace: "mall" })).notes).toEqual([]);
  const everywhere = await filterStatus(depsOf(port), { ...ASKED, namespace: undefined, allNamespaces: true });
  expect(everywhere.notes).toEqual([
    "there is 1 EnvoyFilter of an old wasme: wasme migrate -A turns it into a filter of today",
  ]);
  const missing = { code: "FILTER_NOT_DEPLOYED", hint: note };
  await expect(filterStatus(depsOf(port), { ...ASKED, id: "auth" })).rejects.toMatchObject(missing);
  await expect(planUndeploy(depsOf(port), { ...undeployFor("shop"), id: "auth" })).rejects.toMatchObject(missing);
  const other = { hint: expect.not.stringContaining("migrate") as string };
  await expect(planUndeploy(depsOf(port), { ...undeployFor("shop"), id: "other" })).rejects.toMatchObject(other);
  // Beside filters of today it is told, too, but not in answer to one of them.
  await act(port, { namespace: "shop", does: "registry" });
  expect((await filterStatus(depsOf(port), ASKED)).notes).toEqual([note]);
  expect((await filterStatus(depsOf(port), { ...ASKED, id: "hello" })).notes).toEqual([]);
});
