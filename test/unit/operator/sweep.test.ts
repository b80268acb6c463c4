import { expect, it } from "vitest";
import { announcePatch } from "../../../src/deploy/cache-list.ts";
import { sweep } from "../../../src/operator/sweep.ts";
import type { ReconcilerDeps } from "../../../src/operator/work.ts";
import { systemClock } from "../../../src/platform/clock.ts";

const ENTRY = { key: "sha256-00", value: "registry.example.com/team/hello@sha256:00" };

/** What is asked of the server when this is swept: a list with an entry of the operator that no object needs. */
async function asked(metadata: object): Promise<readonly PropertyKey[]> {
  const managedFields = [{ manager: "wasme-operator", fieldsV1: { "f:data": { [`f:${ENTRY.key}`]: {} } } }];
  const list = { data: { [ENTRY.key]: ENTRY.value }, metadata: { name: "wasme-cache", managedFields, ...metadata } };
  const none = { list: () => [] };
  const view = { workloads: [], filters: [], filterDeployments: none, configMaps: { get: () => list } };
  const settings = { cache: { name: "wasme-cache", namespace: "wasme" }, watchNamespaces: [] };
  const deps = { view, settings, announced: new Map() } as unknown as ReconcilerDeps;
  const calls: PropertyKey[] = [];
  const handler = { get: (_target: object, name: PropertyKey) => () => Promise.resolve(void calls.push(name)) };
  const port = new Proxy({}, handler) as ReconcilerDeps["port"];
  await sweep({
    deps,
    namespace: "shop",
    cluster: { port, clock: systemClock, events: () => undefined, trial: false },
  });
  return calls;
}

it("takes an entry of its own that nothing needs off the list, but does not try while somebody is coming", async () => {
  expect(await asked({})).not.toEqual([]);
  const { metadata } = announcePatch(ENTRY, { from: "shop/hello", coming: true });
  expect(await asked(metadata as object)).toEqual([]);
});
