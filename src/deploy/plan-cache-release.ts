import { isDigest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { parseImageReference } from "../domain/image-reference.ts";
import { Kinds, type ResourceKind } from "../kube/kinds.ts";
import { type KubeObject, stringMapAt } from "../kube/objects.ts";
import { type Access, FIELD_MANAGER, type ObjectRef } from "../kube/port.ts";
import { cacheEntry, cacheEntryPatch, cachePodLabels } from "../mesh/cache-objects.ts";
import { IMAGE_ANNOTATION, IMAGE_DIGEST_ANNOTATION, MANAGED_BY, MANAGED_BY_LABEL } from "../mesh/names.ts";
import { CACHE_ANNOTATION } from "./filter-object.ts";
import { hasLabels } from "./select-workloads.ts";
import { listOurEnvoyFilters } from "./our-objects.ts";
import type { AnnounceChange, DeleteChange, Step } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";
import { missingAccess } from "./require-access.ts";

/** What is tidied in the caches after filters went. */
export interface CacheRelease {
  readonly steps: readonly Step[];
  readonly notes: readonly string[];
}

interface CacheName {
  readonly namespace: string;
  readonly name: string;
}

/**
 * Takes modules no EnvoyFilter of the whole cluster names any more off the caches' lists, and a cache that we made
 * and that holds nothing any more away. What we may not see or change stays, with a note.
 */
export async function planCacheRelease(deps: ClusterDeps, going: readonly KubeObject[]): Promise<CacheRelease> {
  if (going.length === 0) return { steps: [], notes: [] };
  const everywhere = await deniedAsUndefined(listOurEnvoyFilters(deps));
  if (everywhere === undefined) {
    return {
      steps: [],
      notes: ["the module stays on the node cache's list: not allowed to see whether other namespaces need it"],
    };
  }
  const gone = new Set(going.map((object) => object.metadata.uid));
  const left = everywhere.filter((object) => !gone.has(object.metadata.uid));
  const steps: Step[] = [];
  const notes: string[] = [];
  for (const [text, objects] of byCache(going)) {
    const released = await releaseFrom(deps, cacheOf(text), {
      going: objects,
      left: left.filter((object) => object.metadata.annotations?.[CACHE_ANNOTATION] === text),
    });
    steps.push(...released.steps);
    notes.push(...released.notes);
  }
  return { steps, notes };
}

async function releaseFrom(
  deps: ClusterDeps,
  cache: CacheName,
  filters: { readonly going: readonly KubeObject[]; readonly left: readonly KubeObject[] },
): Promise<CacheRelease> {
  const needed = new Set(filters.left.map((object) => entryKey(object)));
  const keys = [...new Set(filters.going.map((object) => entryKey(object)))].filter(
    (key) => key !== undefined && !needed.has(key),
  );
  const ref: ObjectRef = { kind: Kinds.configMap, ...cache };
  const rights: Access[] = ["get", "patch"].map((verb) => ({
    verb,
    kind: ref.kind,
    namespace: cache.namespace,
    name: cache.name,
  }));
  if (keys.length === 0) return NOTHING;
  const title = `the node cache ${cache.namespace}/${cache.name}`;
  if ((await missingAccess(deps.port, rights, deps.signal)).length > 0) {
    return { steps: [], notes: [`the module stays on the list of ${title}: not allowed to change it`] };
  }
  const before = await deps.port.get(ref, deps.signal);
  if (before === undefined) return NOTHING;
  const data = stringMapAt(before, "data");
  const present = keys.filter((key): key is string => key !== undefined && data[key] !== undefined);
  const whole = present.length === Object.keys(data).length ? await planRemoval(deps, cache) : undefined;
  const steps: Step[] = [];
  for (const [index, key] of present.entries()) {
    const after = await deps.port.patch(ref, cacheEntryPatch([{ key, value: null }]), {
      dryRun: true,
      signal: deps.signal,
    });
    const reason = "no filter needs the module any more";
    const change: AnnounceChange = { type: "announce", action: "update", ref, key, value: null, reason, before, after };
    const last = whole !== undefined && index === present.length - 1;
    steps.push(last ? { ...change, action: "delete", after: undefined, deleteWhenEmpty: true, reason: LAST } : change);
  }
  return { steps: [...steps, ...(whole?.steps ?? [])], notes: whole?.notes ?? [] };
}

/** The deletion of a cache that this tool made, if we may; the namespace only when nothing else is in it. */
async function planRemoval(deps: ClusterDeps, cache: CacheName): Promise<CacheRelease | undefined> {
  const { namespace, name } = cache;
  const daemonSet = await deniedAsUndefined(deps.port.get({ kind: Kinds.daemonSet, name, namespace }, deps.signal));
  if (daemonSet === undefined || !isOurs(daemonSet)) return undefined;
  const rights = [...PARTS, Kinds.configMap].map((kind): Access => ({ verb: "delete", kind, namespace, name }));
  if ((await missingAccess(deps.port, rights, deps.signal)).length > 0) {
    return {
      steps: [],
      notes: [`the node cache ${namespace}/${name} is empty now and stays: not allowed to delete it`],
    };
  }
  const onlyWithCache = `${namespace}/${name}`;
  const steps: DeleteChange[] = [];
  for (const kind of PARTS) {
    const ref: ObjectRef = { kind, name, namespace };
    const before = await deps.port.get(ref, deps.signal);
    if (before === undefined || !isOurs(before)) continue;
    steps.push({ type: "delete", action: "delete", ref, reason: LAST, before, onlyWithCache });
  }
  const space = await emptyNamespace(deps, cache);
  if (space === undefined)
    return { steps, notes: [`namespace ${namespace} stays: it holds other things than the node cache`] };
  const ref: ObjectRef = { kind: Kinds.namespace, name: namespace };
  return {
    steps: [...steps, { type: "delete", action: "delete", ref, reason: LAST, before: space, onlyWithCache }],
    notes: [],
  };
}

/** The cache's namespace when we made it and nobody else uses it. */
async function emptyNamespace(deps: ClusterDeps, cache: CacheName): Promise<KubeObject | undefined> {
  const { namespace } = cache;
  const live = await deniedAsUndefined(deps.port.get({ kind: Kinds.namespace, name: namespace }, deps.signal));
  const ours = live !== undefined && isOurs(live) && live.metadata.labels?.[MANAGED_BY_LABEL] === MANAGED_BY;
  if (!ours) return undefined;
  const mayDelete = await missingAccess(
    deps.port,
    [{ verb: "delete", kind: Kinds.namespace, name: namespace }],
    deps.signal,
  );
  if (mayDelete.length > 0) return undefined;
  for (const kind of INHABITANTS) {
    const listed = await deniedAsUndefined(deps.port.list({ kind, namespace }, deps.signal));
    if (listed === undefined || listed.items.some((item) => !belongsTo(item, cache))) return undefined;
  }
  return live;
}

/** True for the cache's own objects and pods, and for what Kubernetes puts into every namespace. */
function belongsTo(item: KubeObject, cache: CacheName): boolean {
  if (hasLabels(item.metadata.labels ?? {}, cachePodLabels(cache))) return true;
  const { name } = item.metadata;
  return (
    (item.kind === "ConfigMap" && name === "kube-root-ca.crt") || (item.kind === "ServiceAccount" && name === "default")
  );
}

function isOurs(object: KubeObject): boolean {
  return (object.metadata.managedFields ?? []).some(
    (row) => row.manager === FIELD_MANAGER && row.operation === "Apply",
  );
}

/** The value, or `undefined` when RBAC does not let us see it. */
async function deniedAsUndefined<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof WasmeError && error.code === "KUBE_FORBIDDEN") return undefined;
    throw error;
  }
}

function byCache(objects: readonly KubeObject[]): ReadonlyMap<string, readonly KubeObject[]> {
  const groups = new Map<string, KubeObject[]>();
  for (const object of objects) {
    const text = object.metadata.annotations?.[CACHE_ANNOTATION];
    if (text !== undefined && text.includes("/")) groups.set(text, [...(groups.get(text) ?? []), object]);
  }
  return groups;
}

function cacheOf(text: string): CacheName {
  const slash = text.indexOf("/");
  return { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
}

/** The key an EnvoyFilter's image has in the cache's list; `undefined` when its annotations were tampered with. */
function entryKey(object: KubeObject): string | undefined {
  const digest = object.metadata.annotations?.[IMAGE_DIGEST_ANNOTATION] ?? "";
  const image = object.metadata.annotations?.[IMAGE_ANNOTATION] ?? "";
  if (!isDigest(digest)) return undefined;
  try {
    return cacheEntry({ reference: parseImageReference(image), manifestDigest: digest }).key;
  } catch (error) {
    if (error instanceof WasmeError) return undefined;
    throw error;
  }
}

const NOTHING: CacheRelease = { steps: [], notes: [] };
const LAST = "no filter needs the node cache any more";
/** In the order to delete them: first what runs, then what it runs with. */
const PARTS: readonly ResourceKind[] = [Kinds.daemonSet, Kinds.roleBinding, Kinds.role, Kinds.serviceAccount];
const INHABITANTS: readonly ResourceKind[] = [
  Kinds.pod,
  Kinds.configMap,
  Kinds.secret,
  Kinds.service,
  Kinds.serviceAccount,
  Kinds.deployment,
  Kinds.daemonSet,
  Kinds.statefulSet,
];
