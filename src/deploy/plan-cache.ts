import type { ResolvedImage } from "../domain/resolved-image.ts";
import { kindOf, Kinds, type ResourceKind } from "../kube/kinds.ts";
import { type KubeObject, stringAt, stringMapAt } from "../kube/objects.ts";
import { type Access, FIELD_MANAGER, type ObjectRef } from "../kube/port.ts";
import { buildCacheObjects, cacheEntry, cacheEntryPatch } from "../mesh/cache-objects.ts";
import { type AnnounceChange, type ApplyChange, refTo } from "./plan.ts";
import type { CacheRequest, ClusterDeps } from "./request.ts";
import { missingAccess, requireAccess } from "./require-access.ts";
import { covers } from "./same-object.ts";
import { settleApply } from "./settle-change.ts";

/** What is to be done so that the nodes hold a module. */
export interface CachePlan {
  readonly objects: readonly ApplyChange[];
  readonly announce: AnnounceChange;
  readonly notes: readonly string[];
}

/** What using a cache that exists needs to be allowed; making one needs more and is asked for then. */
export function cacheAccess(cache: CacheRequest): readonly Access[] {
  const { namespace, name } = cache;
  const daemonSet = { kind: Kinds.daemonSet, namespace };
  const configMap = { kind: Kinds.configMap, namespace, name };
  const reads: Access[] = [
    { verb: "get", ...daemonSet, name },
    { verb: "get", ...configMap },
    { verb: "patch", ...configMap },
  ];
  if (cache.timeoutMs === 0) return reads;
  return [...reads, { verb: "list", ...daemonSet }, { verb: "watch", ...daemonSet }];
}

/**
 * Plans the cache: made when it is missing; brought up to date when this tool made it and we may; left alone when
 * somebody else installed it. Then the image's entry in its ConfigMap.
 */
export async function planCache(
  deps: ClusterDeps,
  cache: CacheRequest,
  image: ResolvedImage,
  force: boolean,
): Promise<CachePlan> {
  const { port, signal } = deps;
  const { namespace, name } = cache;
  const daemonSet = await port.get({ kind: Kinds.daemonSet, name, namespace }, signal);
  const configMap = await port.get({ kind: Kinds.configMap, name, namespace }, signal);
  const made = daemonSet === undefined || configMap === undefined;
  const found = made
    ? { objects: await planMissing(deps, cache, force), notes: [`the node cache is made of image ${cache.image}`] }
    : await planExisting(deps, cache, { daemonSet, force });
  return { ...found, announce: await planAnnounce(deps, { cache, image, configMap }) };
}

/** The cache's objects, each with its kind. */
export function cacheObjects(
  cache: CacheRequest,
): readonly { readonly kind: ResourceKind; readonly object: KubeObject }[] {
  return buildCacheObjects({ ...cache, files: true }).flatMap((object) => {
    const kind = kindOf(object);
    return kind === undefined ? [] : [{ kind, object }];
  });
}

/** The change that makes the nodes fetch the image. */
function announceChange(cache: CacheRequest, image: ResolvedImage): AnnounceChange {
  const { key, value } = cacheEntry(image);
  const ref: ObjectRef = { kind: Kinds.configMap, name: cache.name, namespace: cache.namespace };
  return { type: "announce", action: "update", ref, key, value, reason: "makes every node fetch the module" };
}

async function planMissing(deps: ClusterDeps, cache: CacheRequest, force: boolean): Promise<readonly ApplyChange[]> {
  const objects = cacheObjects(cache);
  const needs = objects.flatMap(({ kind, object }) => writeAccess(kind, object));
  await requireAccess(deps.port, needs, deps.signal);
  const [space, ...inside] = objects;
  if (space === undefined) return [];
  const reason = CACHE_REASON;
  const first = await settleApply(deps, { ...space, reason: "holds the node cache", force });
  if (first.action !== "create") {
    const rest: ApplyChange[] = [];
    for (const { kind, object } of inside) rest.push(await settleApply(deps, { kind, object, reason, force }));
    return [first, ...rest];
  }
  // In a namespace that does not exist yet the server tries nothing.
  const rest = inside.map(({ kind, object }): ApplyChange => {
    return { type: "apply", action: "create", ref: refTo(kind, object), object, reason, after: object };
  });
  return [first, ...rest];
}

async function planExisting(
  deps: ClusterDeps,
  cache: CacheRequest,
  found: { readonly daemonSet: KubeObject; readonly force: boolean },
): Promise<{ readonly objects: readonly ApplyChange[]; readonly notes: readonly string[] }> {
  const where = `the node cache ${cache.namespace}/${cache.name}`;
  const managers = (found.daemonSet.metadata.managedFields ?? []).map((row) => row.manager ?? "");
  if (!managers.includes(FIELD_MANAGER))
    return { objects: [], notes: [`${where} was installed by other means: used as it is`] };
  const wanted = cacheObjects(cache).find(({ kind }) => kind === Kinds.daemonSet);
  if (wanted === undefined || covers(found.daemonSet, wanted.object)) return { objects: [], notes: [] };
  const missing = await missingAccess(deps.port, writeAccess(wanted.kind, wanted.object), deps.signal);
  if (missing.length > 0) {
    const runs = stringAt(firstContainer(found.daemonSet), "image") ?? "another image";
    return { objects: [], notes: [`${where} runs ${runs} and may not be changed by us: used as it is`] };
  }
  const change = await settleApply(deps, {
    ...wanted,
    reason: `brings the node cache to ${cache.image}`,
    force: found.force,
  });
  return { objects: [change], notes: [] };
}

async function planAnnounce(
  deps: ClusterDeps,
  what: { readonly cache: CacheRequest; readonly image: ResolvedImage; readonly configMap: KubeObject | undefined },
): Promise<AnnounceChange> {
  const change = announceChange(what.cache, what.image);
  const { configMap: before } = what;
  if (before === undefined) return change;
  if (stringMapAt(before, "data")[change.key] === change.value) {
    return { ...change, action: "unchanged", reason: "lists the module already", before, after: before };
  }
  const patch = cacheEntryPatch([{ key: change.key, value: change.value }]);
  const after = await deps.port.patch(change.ref, patch, { dryRun: true, signal: deps.signal });
  return { ...change, before, after };
}

/** A server-side apply is a patch, and a create where there is nothing yet. */
export function writeAccess(kind: ResourceKind, object: KubeObject): readonly Access[] {
  const { name, namespace } = object.metadata;
  const scope = namespace === undefined ? {} : { namespace };
  return [
    { verb: "get", kind, name, ...scope },
    { verb: "patch", kind, name, ...scope },
    { verb: "create", kind, ...scope },
  ];
}

function firstContainer(daemonSet: KubeObject): unknown {
  const spec = daemonSet["spec"] as { template?: { spec?: { containers?: readonly unknown[] } } } | undefined;
  return spec?.template?.spec?.containers?.[0];
}

const CACHE_REASON = "part of the node cache";
