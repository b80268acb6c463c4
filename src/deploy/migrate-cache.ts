import { isObject, type JsonObject } from "../domain/json.ts";
import { Kinds, type ResourceKind } from "../kube/kinds.ts";
import { at, type KubeObject, listAt, numberAt, stringMapAt } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import { MANAGED_BY, MANAGED_BY_LABEL } from "../mesh/names.ts";
import { NODE_LABEL } from "../mesh/node-report.ts";
import { applyMergePatch } from "./edit-workload.ts";
import { inhabitants, inhabitedNote } from "./inhabitants.ts";
import { hasOldCache, type OldCache, standInName } from "./migrate-old-cache.ts";
import { OLD_LIST } from "./migrate-old-names.ts";
import { planLift, planSpace } from "./migrate-space.ts";
import { type DeleteChange, type ObjectWait, refTo, type Step, type TouchChange } from "./plan.ts";
import type { CacheName } from "./cache-name.ts";
import type { CacheRelease } from "./plan-cache-removal.ts";
import type { CacheRequest, ClusterDeps } from "./request.ts";
import { keepsFiles } from "./pods.ts";
import { settleApply } from "./settle-change.ts";

/**
 * Makes room for today's DaemonSet, whose selector another one of its name cannot get: the old program runs on under
 * another name first, so that in no moment a node, also one that joins meanwhile, is without either. Nothing where the
 * old DaemonSet is gone already.
 */
export async function planTakeOver(deps: ClusterDeps, cache: OldCache, timeoutMs: number): Promise<readonly Step[]> {
  const { daemonSet, namespace, name } = cache;
  if (daemonSet === undefined) return [];
  const ref: ObjectRef = { kind: Kinds.daemonSet, namespace, name };
  const reason = "makes room for today's node cache";
  const lift = await planLift(deps, cache);
  // Tried on the server, a new one would be warned of what is not enforced any more by then.
  const trial = lift.length === 0 || cache.standIn !== undefined ? deps.trial : false;
  // Also where none of the old pods is up at this moment: they may be starting.
  const change = await settleApply(
    { ...deps, trial },
    {
      kind: Kinds.daemonSet,
      object: standIn(cache, daemonSet),
      reason: "runs the old node cache until nothing needs it",
      force: true,
    },
  );
  const running = numberAt(daemonSet, ["status", "numberAvailable"]);
  const wait: ObjectWait = {
    type: "wait-object",
    ref: { ...ref, name: standInName(cache) },
    timeoutMs,
    look: (live) => {
      const ready = numberAt(live, ["status", "numberAvailable"]);
      return { done: ready >= running, message: `${ready} of ${running} nodes ready` };
    },
  };
  return [
    ...lift,
    change,
    ...wake(deps, cache, running),
    wait,
    { type: "delete", action: "delete", ref, reason, before: daemonSet },
  ];
}

/**
 * Has pods of a stand-in from an earlier run tried again at once: after failures the DaemonSet controller waits for minutes
 * unless the object changes.
 */
function wake(deps: ClusterDeps, { standIn: before }: OldCache, running: number): readonly TouchChange[] {
  const lacks = (live: KubeObject): boolean => numberAt(live, ["status", "numberAvailable"]) < running;
  if (before === undefined || !lacks(before)) return [];
  const patch = { metadata: { annotations: { [WOKEN]: new Date(deps.clock.now()).toISOString() } } };
  const reason = "has its pods tried again";
  const ref = refTo(Kinds.daemonSet, before);
  const after = applyMergePatch(before, patch) as KubeObject;
  return [
    { type: "touch", action: "update", ref, touch: (live) => (lacks(live) ? patch : undefined), reason, before, after },
  ];
}

const WOKEN = "wasme.io/woken";

/** The old program under another name; it reports no events, since the rights to do so go with the old role. */
function standIn(cache: OldCache, daemonSet: KubeObject): KubeObject {
  const labels = { app: standInName(cache) };
  const podSpec = at(daemonSet, "spec", "template", "spec");
  const containers = listAt(podSpec, "containers").map((container) => {
    if (!isObject(container)) return container;
    const args = listAt(container, "args").filter((arg) => arg !== QUIET);
    return { ...container, args: [...args, QUIET] };
  });
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: {
      name: standInName(cache),
      namespace: cache.namespace,
      labels: { ...labels, [MANAGED_BY_LABEL]: MANAGED_BY },
    },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { ...(isObject(podSpec) ? podSpec : {}), containers } },
    },
  };
}

const QUIET = "--disable-kube";

/**
 * Takes away what is left of the old cache once nothing reads its files: where today's DaemonSet is in its place, or
 * will be then, only the stand-in and the old list, and the namespace becomes today's; else everything, and the
 * namespace if nothing else is in it.
 */
export async function planOldCacheRemoval(
  deps: ClusterDeps,
  cache: OldCache,
  today: { readonly daemonSet: KubeObject | undefined; readonly settings: CacheRequest; readonly force: boolean },
): Promise<CacheRelease> {
  if (!hasOldCache(cache)) return { steps: [], notes: [] };
  const { namespace } = cache;
  const standInRef: ObjectRef = { kind: Kinds.daemonSet, namespace, name: standInName(cache) };
  const standsIn = cache.standIn !== undefined || (today.daemonSet !== undefined && cache.daemonSet !== undefined);
  const steps = standsIn ? [gone(standInRef, cache.standIn)] : [];
  if (today.daemonSet !== undefined) {
    const files = keepsFiles(at(today.daemonSet, "spec", "template", "spec"));
    const { settings, force } = today;
    const space = await planSpace(deps, cache, { settings: { ...settings, files }, force });
    // The list is the sign by which a run that was stopped before finds what is left to do.
    return { steps: [...steps, ...space, ...unlist(cache)], notes: [] };
  }
  const space = await spaceRemoval(deps, cache);
  return { steps: [...steps, ...wholeCache(cache), ...space.steps], notes: space.notes };
}

/** In the order to delete it: first what runs, then what it runs with. */
function wholeCache(cache: OldCache): readonly Step[] {
  const { namespace, name, daemonSet, configMap, parts } = cache;
  const runs = daemonSet === undefined ? [] : [gone({ kind: Kinds.daemonSet, namespace, name }, daemonSet)];
  const others = parts.map(({ kind, object }) => gone(refTo(kind, object), object));
  if (configMap === undefined) return [...runs, ...others];
  const only = Object.keys(stringMapAt(configMap, "data")).length === 1;
  return [...runs, ...others, ...(only ? [gone(refTo(Kinds.configMap, configMap), configMap)] : unlist(cache))];
}

async function spaceRemoval(deps: ClusterDeps, cache: OldCache): Promise<CacheRelease> {
  const { namespace, namespaceObject } = cache;
  if (namespaceObject === undefined) return { steps: [], notes: [] };
  const others = await inhabitants(deps, namespace, (kind, item) => isPart(cache, kind, item));
  const inhabited = inhabitedNote(namespace, others);
  if (inhabited !== undefined) return { steps: [], notes: [inhabited] };
  return { steps: [gone({ kind: Kinds.namespace, name: namespace }, namespaceObject)], notes: [] };
}

function gone(ref: ObjectRef, before: KubeObject | undefined): DeleteChange {
  return { type: "delete", action: "delete", ref, reason: "nothing needs the old node cache any more", before };
}

/** The old list out of the ConfigMap that today's cache goes on with. */
function unlist(cache: OldCache): readonly TouchChange[] {
  const before = cache.configMap;
  if (before === undefined) return [];
  const touch = (live: KubeObject): JsonObject | undefined =>
    stringMapAt(live, "data")[OLD_LIST] === undefined ? undefined : { data: { [OLD_LIST]: null } };
  const { [OLD_LIST]: _old, ...data } = stringMapAt(before, "data");
  const ref = refTo(Kinds.configMap, before);
  const reason = "today's node cache has a list of its own";
  return [{ type: "touch", action: "update", ref, touch, reason, before, after: { ...before, data } }];
}

/** True for the old cache's own objects and pods, and the nodes' reports. */
function isPart(cache: CacheName, kind: ResourceKind, { metadata }: KubeObject): boolean {
  const { name, labels } = metadata;
  if (kind === Kinds.pod) return [cache.name, standInName(cache)].includes(labels?.["app"] ?? "");
  if (kind === Kinds.daemonSet && name === standInName(cache)) return true;
  return name === cache.name || labels?.[NODE_LABEL] !== undefined;
}
