import { expect, it } from "vitest";
import { applyPlan } from "../../../src/deploy/apply-plan.ts";
import { planOldCacheRemoval, planTakeOver } from "../../../src/deploy/migrate-cache.ts";
import { notesOn } from "../../../src/deploy/migrate-notes.ts";
import { findOldCache } from "../../../src/deploy/migrate-old-cache.ts";
import { changesOf, refTitle, type Step } from "../../../src/deploy/plan.ts";
import type { JsonObject } from "../../../src/domain/json.ts";
import { Kinds } from "../../../src/kube/kinds.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import { depsOf, LIST, requestFor } from "./list-bench.ts";
import { MemoryCluster } from "./memory-cluster.ts";

const ENFORCE = "pod-security.kubernetes.io/enforce";
const { namespace, name } = LIST;
const SPACE = { kind: Kinds.namespace, name: namespace };

/** An old node cache, whose namespace somebody has given today's labels since. */
async function startOld(by: string, labels: JsonObject): Promise<MemoryCluster> {
  const cluster = new MemoryCluster();
  const port = cluster.port();
  const managedFields = [{ manager: by, operation: "Update" }];
  await port.create(Kinds.namespace, objectOf("Namespace", { name: namespace, labels, managedFields }));
  await port.create(Kinds.configMap, { ...objectOf("ConfigMap", { name, namespace }), data: { images: "" } });
  await port.create(Kinds.daemonSet, oldSet(name, 2));
  return cluster;
}

function oldSet(called: string, numberAvailable: number): KubeObject {
  const containers = [{ name: "cache", args: ["--directory", "/var/local/lib/wasme-cache"] }];
  const set = objectOf("DaemonSet", { name: called, namespace });
  return { ...set, spec: { template: { spec: { containers } } }, status: { numberAvailable } };
}

function objectOf(kind: string, metadata: JsonObject): KubeObject {
  return { apiVersion: "v1", kind, metadata } as unknown as KubeObject;
}

/** What is done so that today's cache takes the old one's place, before and after. */
async function planOn(
  cluster: MemoryCluster,
): Promise<{ readonly room: readonly Step[]; readonly end: readonly Step[] }> {
  const deps = depsOf(cluster.port());
  const cache = await findOldCache(deps, { namespace, name });
  const room = await planTakeOver(deps, cache, 1);
  const settings = requestFor("shop", "cache-http").cache;
  const today = { daemonSet: oldSet(name, 0), settings: { ...settings, namespace, name }, force: false };
  return { room, end: (await planOldCacheRemoval(deps, cache, today)).steps };
}

function linesOf(steps: readonly Step[]): readonly string[] {
  return changesOf({ steps })
    .filter(({ action }) => action !== "unchanged")
    .map(({ action, ref }) => `${action} ${refTitle(ref)}`);
}

it("takes off the level of pod security under which the old program cannot start, and sets today's when it has gone", async () => {
  const cluster = await startOld("wasme", {
    [ENFORCE]: "restricted",
    "app.kubernetes.io/managed-by": "wasme",
    team: "mesh",
  });
  const { room, end } = await planOn(cluster);
  expect(linesOf(room)).toEqual([
    "update Namespace wasme",
    "create DaemonSet wasme/wasme-cache-old",
    "delete DaemonSet wasme/wasme-cache",
  ]);
  const [lift] = changesOf({ steps: room });
  expect(lift?.reason).toContain('pod security "restricted"');
  expect(linesOf(end)).toEqual([
    "delete DaemonSet wasme/wasme-cache-old",
    "update Namespace wasme",
    "update ConfigMap wasme/wasme-cache",
  ]);
  const set = changesOf({ steps: end }).find(({ ref }) => ref.kind === Kinds.namespace);
  // The difference that is shown takes nothing of somebody else's away.
  expect(set?.after?.metadata.labels).toMatchObject({ [ENFORCE]: "restricted", team: "mesh" });
  const carryOut = async (steps: readonly Step[]): Promise<unknown> => {
    const changes = { steps: steps.filter(({ type }) => type !== "wait-object") };
    await applyPlan(depsOf(cluster.port()), changes, { force: false, waits: "block" });
    return cluster.find(SPACE)?.metadata.labels?.[ENFORCE];
  };
  expect(await carryOut(room)).toBeUndefined();
  // Stopped there, the same again finds what is left to do, also when only the list tells that something is.
  await cluster.port().delete({ kind: Kinds.daemonSet, namespace, name: `${name}-old` });
  expect(linesOf((await planOn(cluster)).end)).toEqual([
    "update Namespace wasme",
    "update ConfigMap wasme/wasme-cache",
  ]);
  expect(await carryOut(end)).toBe("restricted");
  expect(linesOf((await planOn(cluster)).end)).toEqual([]);
});

it("says that the namespace is open while filters keep the old program, and only then", async () => {
  const notesFor = async (
    labels: JsonObject,
    more: { by?: string; replaced?: boolean },
  ): Promise<readonly string[]> => {
    const deps = depsOf((await startOld(more.by ?? "wasme", labels)).port());
    const none = { filters: [], orphans: [], left: [], mounted: [], unclear: [], filterDeployments: [] };
    const cache = await findOldCache(deps, { namespace, name });
    const survey = { ...none, namespace: "shop", elsewhere: 1, cache };
    const handed = { own: [], done: [], waiting: [], unattended: [] };
    const istiod = { namespace: "istio-system", name: "istiod" };
    const what = { survey, handed, istiod, cacheStays: true, replaced: more.replaced ?? true };
    return (await notesOn(deps, what)).notes.slice(1);
  };
  const open = [expect.stringContaining(`namespace "wasme" has no label ${ENFORCE} until the old node cache goes`)];
  expect(await notesFor({}, {})).toEqual(open);
  expect(await notesFor({ [ENFORCE]: "restricted" }, {})).toEqual(open);
  expect(await notesFor({ [ENFORCE]: "privileged" }, {})).toEqual([]);
  expect(await notesFor({}, { replaced: false })).toEqual([]);
  expect(await notesFor({}, { by: "helm" })).toEqual([]);
});

it("refuses before anything is changed where the label is somebody else's", async () => {
  const cluster = await startOld("helm", { [ENFORCE]: "baseline" });
  await expect(planOn(cluster)).rejects.toMatchObject({
    code: "OLD_CACHE_RESTRICTED",
    message: expect.stringContaining('namespace "wasme" enforces pod security "baseline"') as string,
    hint: expect.stringMatching(/^kubectl label namespace wasme pod-security.kubernetes.io\/enforce-;/u) as string,
  });
  await cluster.port().patch(SPACE, { metadata: { labels: { [ENFORCE]: "privileged" } } });
  expect(linesOf([...(await planOn(cluster)).room])).not.toContain("update Namespace wasme");
});

it("has pods of a stand-in tried again that an earlier run could not start", async () => {
  const cluster = await startOld("wasme", {});
  await cluster.port().create(Kinds.daemonSet, oldSet(`${name}-old`, 0));
  const { room } = await planOn(cluster);
  const touch = room.find(({ type }) => type === "touch");
  expect(touch).toMatchObject({ reason: "has its pods tried again", ref: { name: `${name}-old` } });
  const ready = await startOld("wasme", {});
  await ready.port().create(Kinds.daemonSet, oldSet(`${name}-old`, 2));
  expect((await planOn(ready)).room.map(({ type }) => type)).not.toContain("touch");
});
