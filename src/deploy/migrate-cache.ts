import { isObject, type JsonObject } from "../domain/json.ts";
import { Kinds, type ResourceKind } from "../kube/kinds.ts";
import { at, type KubeObject, listAt, numberAt, stringMapAt } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import { MANAGED_BY, MANAGED_BY_LABEL } from "../mesh/names.ts";
import { NODE_LABEL } from "../mesh/node-report.ts";
import { hasOldCache, type OldCache, standInName } from "./migrate-old-cache.ts";
import { OLD_LIST } from "./migrate-old-names.ts";
import { type DeleteChange, type ObjectWait, refTitle, refTo, type Step, type TouchChange } from "./plan.ts";
import { type CacheRelease, INHABITANTS } from "./plan-cache-removal.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined } from "./require-access.ts";
import { settleApply } from "./settle-change.ts";

/**
 * Makes room for today's DaemonSet, whose selector another one of its name cannot get: the old program runs on under
 * another name first, so that in no moment a node, also one that joins meanwhile, is without either.
 */
export async function planTakeOver(deps: ClusterDeps, cache: OldCache, timeoutMs: number): Promise<readonly Step[]> {
  const { daemonSet, namespace, name } = cache;
  if (daemonSet === undefined) return [];
  const ref: ObjectRef = { kind: Kinds.daemonSet, namespace, name };
  const reason = "makes room for today's node cache";
  const removal: DeleteChange = { type: "delete", action: "delete", ref, reason, before: daemonSet };
  const running = numberAt(daemonSet, ["status", "numberAvailable"]);
  if (running === 0) return [removal];
  const object = standIn(cache, daemonSet);
  const wanted = {
    kind: Kinds.daemonSet,
    object,
    reason: "runs the old node cache until nothing needs it",
    force: true,
  };
  const change = await settleApply(deps, wanted);
  const wait: ObjectWait = {
    type: "wait-object",
    ref: { ...ref, name: standInName(cache) },
    timeoutMs,
    look: (live) => {
      const ready = numberAt(live, ["status", "numberAvailable"]);
      return { done: ready >= running, message: `${ready} of ${running} nodes ready` };
    },
  };
  return [change, wait, removal];
}

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
 * Takes away what is left of the old cache once nothing reads its files: where today's is in its place only the
 * stand-in and the old list, else everything, and the namespace if nothing else is in it.
 */
export async function planOldCacheRemoval(
  deps: ClusterDeps,
  cache: OldCache,
  options: { readonly takenOver: boolean; readonly timeoutMs: number },
): Promise<CacheRelease> {
  const { namespace } = cache;
  const takenOver = options.takenOver || cache.takenOver;
  if (!takenOver && !hasOldCache(cache)) return { steps: [], notes: [] };
  const standInRef: ObjectRef = { kind: Kinds.daemonSet, namespace, name: standInName(cache) };
  const steps: Step[] = [];
  if (cache.standIn !== undefined || options.takenOver) steps.push(gone(standInRef, cache.standIn));
  if (takenOver) return { steps: [...steps, ...unlist(cache)], notes: [] };
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
  const others = await strangers(deps, cache);
  if (others === undefined) {
    return { steps: [], notes: [`namespace ${namespace} stays: not allowed to see what is in it`] };
  }
  if (others.length > 0) return { steps: [], notes: [`namespace ${namespace} stays: it holds ${others.join(", ")}`] };
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

/** What else is in the cache's namespace, at most three by name; `undefined` when we may not see it all. */
async function strangers(deps: ClusterDeps, cache: OldCache): Promise<readonly string[] | undefined> {
  const { namespace, name } = cache;
  const found: string[] = [];
  for (const kind of INHABITANTS) {
    const listed = await deniedAsUndefined(deps.port.list({ kind, namespace }, deps.signal));
    if (listed === undefined) return undefined;
    const others = listed.items.filter((item) => !isPart(kind, item, name));
    found.push(...others.map((item) => refTitle(refTo(kind, item))));
  }
  return found.slice(0, 3);
}

/** The old cache's own objects and pods, the nodes' reports, and what Kubernetes puts into every namespace. */
function isPart(kind: ResourceKind, item: KubeObject, cache: string): boolean {
  const { name, labels } = item.metadata;
  if (kind === Kinds.pod) return [cache, `${cache}-old`].includes(labels?.["app"] ?? "");
  const always = `${kind.kind} ${name}`;
  return (
    name === cache ||
    ALWAYS.includes(always) ||
    labels?.[NODE_LABEL] !== undefined ||
    always === `DaemonSet ${cache}-old`
  );
}

const ALWAYS: readonly string[] = ["ConfigMap kube-root-ca.crt", "ServiceAccount default"];
