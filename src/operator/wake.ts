import { filterIdOf, parseFilterDeployment } from "../domain/filter-deployment.ts";
import { keyOf } from "../controller/object-store.ts";
import type { StoreChange } from "../controller/reflector.ts";
import { type AddOptions, LOW_PRIORITY } from "../controller/work-queue.ts";
import { rolloutState } from "../deploy/rollout-state.ts";
import { hasLabels } from "../deploy/select-workloads.ts";
import { type ResourceKind, resourceName } from "../kube/kinds.ts";
import { type KubeObject, stringAt, stringMapAt } from "../kube/objects.ts";
import { hasServingPod, isServing, MODULE_UNAVAILABLE } from "./cache-outage.ts";
import type { CachedPort } from "./cached-port.ts";
import { type ClusterView, ID_INDEX, idKey, IMAGE_INDEX, ownerLabelKey, ownersOf } from "./cluster-view.ts";
import { Contested } from "./contested.ts";
import { hasFinalizer } from "./finalizer.ts";
import type { KindView } from "./kind-view.ts";
import { conditionIn } from "./status.ts";
import type { ReconcilerDeps } from "./work.ts";
import { FILTER_DEPLOYMENT_LABEL, FILTER_LABEL, workloadLabel } from "../mesh/names.ts";

/** Wants a FilterDeployment to be reconciled. */
export type Enqueue = (key: string, options?: AddOptions) => void;

/** Has every change of the cluster wake the FilterDeployments it may concern. */
export function wakeOnChanges(
  { view, port, announced, clock, log }: Pick<ReconcilerDeps, "view" | "port" | "announced" | "clock" | "log">,
  enqueue: Enqueue,
): void {
  const contested = new Contested({ clock, log });
  const wake = (objects: Iterable<KubeObject>, initial = false, afterMs = 0): void => {
    for (const object of objects) {
      // A deletion somebody waits for comes before whatever else there is.
      const priority = isGoing(object) ? FIRST : initial ? LOW_PRIORITY : 0;
      enqueue(keyOf(object), { priority, afterMs });
    }
  };
  view.filterDeployments.onChange((change) => onFilterDeployment(view, change, wake));
  for (const kind of view.workloads) kind.onChange((change) => wake(concernedBy(view, kind, change)));
  for (const kind of view.filters) {
    kind.onChange((change) => {
      if (change.initial || isOwnWrite(port, kind.kind, change)) return;
      const concerned = concernedByFilter(view, change);
      const makers = change.after === undefined ? makerOf(change.before) : [];
      if (concerned.length + makers.length === 0) return;
      const afterMs = contested.pauseMs(`${resourceName(kind.kind)} ${change.key}`);
      wake(concerned, false, afterMs);
      for (const key of makers) enqueue(key, { afterMs });
    });
  }
  view.pods.onChange((change) => {
    const { namespace } = (change.after ?? change.before)?.metadata ?? {};
    if (change.initial || namespace === undefined) return;
    // The cache's pods serve all namespaces.
    wake(waiting(view, namespace === view.cache?.namespace ? undefined : namespace));
    if (isLastServing(view, change)) wake(view.filterDeployments.list().filter(needsCache), true);
  });
  view.configMaps?.onChange((change) => {
    if (!change.initial) wakeByMap(view, change, { wake, enqueue, announced });
  });
}

/** Every FilterDeployment: the cluster serves other kinds than before. */
export function wakeAll(view: ClusterView, enqueue: Enqueue): void {
  for (const object of view.filterDeployments.list()) enqueue(keyOf(object));
}

type Wake = (objects: Iterable<KubeObject>, initial?: boolean) => void;

function onFilterDeployment(view: ClusterView, { before, after, initial }: StoreChange, wake: Wake): void {
  const subject = after ?? before;
  // Our own status and finalizer come back as changes: they say nothing new.
  if (before === undefined || after === undefined || isNews(before, after)) wake([subject].filter(isThere), initial);
  const ids = new Set([before, after].flatMap((object) => (object === undefined ? [] : [idOf(object)])));
  const changed = before === undefined || after === undefined || ids.size > 1 || isGoing(after) !== isGoing(before);
  if (!changed || initial) return;
  for (const id of ids) {
    if (id === undefined) continue;
    wake(concernedById(view, id).filter(({ metadata }) => metadata.uid !== subject?.metadata.uid));
  }
}

/** Those that want an id, and those that wanted it before and may have objects of it still. */
function concernedById(view: ClusterView, id: string): readonly KubeObject[] {
  const index = { name: ID_INDEX, value: id };
  const objects = view.filters.flatMap((kind) => kind.list({ index }));
  const owners = objects.flatMap((object) => concernedByFilter(view, { after: object }));
  return [...view.filterDeployments.list({ index }), ...owners];
}

function isNews(before: KubeObject, after: KubeObject): boolean {
  return (
    before.metadata.uid !== after.metadata.uid ||
    before.metadata.generation !== after.metadata.generation ||
    isGoing(before) !== isGoing(after) ||
    (hasFinalizer(before) && !hasFinalizer(after))
  );
}

function isGoing({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp !== undefined;
}

function idOf(object: KubeObject): string | undefined {
  const id = filterIdOf(object);
  return id === undefined ? undefined : idKey(object.metadata.namespace, id);
}

/** Those that want this workload, or did. */
function concernedBy(
  view: ClusterView,
  kind: KindView,
  { before, after, initial }: StoreChange,
): readonly KubeObject[] {
  if (initial || (before !== undefined && after !== undefined && looksOf(before) === looksOf(after))) return [];
  const object = after ?? before;
  const { namespace } = object?.metadata ?? {};
  if (namespace === undefined) return [];
  return view.filterDeployments.list({ namespace }).filter((one) => {
    const wanted = wish(one);
    if (wanted?.kind !== kind.kind.kind) return false;
    return [before, after].some(
      (state) => state !== undefined && hasLabels(state.metadata.labels ?? {}, wanted.labels),
    );
  });
}

/** All of a workload that matters here, as one text: its controller writes much more, and often. */
function looksOf(workload: KubeObject): string {
  const { uid, labels, generation, deletionTimestamp } = workload.metadata;
  return JSON.stringify([uid, labels, generation, deletionTimestamp, rolloutState(workload)]);
}

interface Wish {
  readonly kind: string;
  readonly labels: Readonly<Record<string, string>>;
}

const wishes = new WeakMap<KubeObject, { readonly wish: Wish | undefined }>();

/** What a FilterDeployment selects; objects of a store never change, so each is read once. */
function wish(object: KubeObject): Wish | undefined {
  const known = wishes.get(object);
  if (known !== undefined) return known.wish;
  const found = parseFilterDeployment(object).spec;
  wishes.set(object, { wish: found });
  return found;
}

function isOwnWrite(port: CachedPort, kind: ResourceKind, { after }: StoreChange): boolean {
  return after !== undefined && port.isOwn(kind, after);
}

/** Its owners, and whoever else has to do with its filter id. */
function concernedByFilter(
  view: ClusterView,
  { before, after }: Pick<StoreChange, "before" | "after">,
): readonly KubeObject[] {
  const states = [before, after].filter(isThere);
  const owners = new Set(states.flatMap((object) => ownersOf(object)));
  const ids = new Set(
    states.flatMap(({ metadata }) => {
      const id = metadata.labels?.[FILTER_LABEL];
      return id === undefined ? [] : [idKey(metadata.namespace, id)];
    }),
  );
  const { namespace } = states[0]?.metadata ?? {};
  if (namespace === undefined || (owners.size === 0 && ids.size === 0)) return [];
  return view.filterDeployments.list({ namespace }).filter((one) => {
    const { uid = "", name } = one.metadata;
    return owners.has(uid) || owners.has(ownerLabelKey(namespace, workloadLabel(name))) || ids.has(idOf(one) ?? "");
  });
}

/**
 * The FilterDeployment that an object was made for, also one that is gone: only now that the object is gone, too, can be
 * seen that nothing needs its entry of the cache's list any more.
 */
function makerOf(object: KubeObject | undefined): readonly string[] {
  const { namespace, labels } = object?.metadata ?? {};
  const name = labels?.[FILTER_DEPLOYMENT_LABEL];
  return namespace === undefined || name === undefined ? [] : [`${namespace}/${name}`];
}

/** The cache served until this change, and now it does not. */
function isLastServing(view: ClusterView, { before, after }: StoreChange): boolean {
  const { cache } = view;
  if (cache === undefined || before === undefined || !isServing(before, cache)) return false;
  return (after === undefined || !isServing(after, cache)) && !hasServingPod(view);
}

function needsCache(object: KubeObject): boolean {
  return stringAt(object, "status", "delivery")?.startsWith("cache-") === true;
}

/** Those of a namespace that wait for something. */
function waiting(view: ClusterView, namespace: string | undefined): readonly KubeObject[] {
  return view.filterDeployments
    .list(namespace === undefined ? {} : { namespace })
    .filter((one) => WAITS.has(conditionIn(one, "Ready")?.reason ?? ""));
}

/**
 * Wakes those whose image is meant by an entry that changed in the cache's list or a node's report: by their status, and by
 * what was announced for them before their status says so. A map that comes or goes may be a node cache that does.
 */
function wakeByMap(
  view: ClusterView,
  { before, after }: StoreChange,
  to: { readonly wake: Wake; readonly enqueue: Enqueue; readonly announced: ReadonlyMap<string, string> },
): void {
  if (before === undefined || after === undefined) to.wake(waiting(view, undefined));
  const [old, now] = [before, after].map((map) => (map === undefined ? {} : stringMapAt(map, "data")));
  const keys = new Set([...Object.keys(old ?? {}), ...Object.keys(now ?? {})]);
  const changed = new Set([...keys].filter((key) => old?.[key] !== now?.[key]));
  for (const key of changed) to.wake(view.filterDeployments.list({ index: { name: IMAGE_INDEX, value: key } }));
  for (const [who, key] of to.announced) if (changed.has(key)) to.enqueue(who);
}

function isThere(object: KubeObject | undefined): object is KubeObject {
  return object !== undefined;
}

const FIRST = 1;
const WAITS: ReadonlySet<string> = new Set([
  "WaitingForNodes",
  "WaitingForRollout",
  "IdInUse",
  "CacheNotInstalled",
  "CacheWithoutFiles",
  MODULE_UNAVAILABLE,
]);
