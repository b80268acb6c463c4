import { WasmeError } from "../domain/errors.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { kindOf, Kinds, type ResourceKind } from "../kube/kinds.ts";
import { type KubeObject, listAt, stringAt } from "../kube/objects.ts";
import type { Access, ObjectRef, ServerVersion } from "../kube/port.ts";
import { buildCacheObjects, cacheEntry, type CacheSettings } from "../mesh/cache-objects.ts";
import { announcePatch, isListed } from "./cache-list.ts";
import { installCommand } from "./cache-options.ts";
import { inParallel } from "./in-parallel.ts";
import { type CacheLook, isOurWork } from "./look-at-cache.ts";
import { isOldManaged } from "./migrate-old-names.ts";
import { type AnnounceChange, type ApplyChange, type ObjectWait, refTo } from "./plan.ts";
import type { CacheRequest, ClusterDeps } from "./request.ts";
import { deniedAsUndefined, missingAccess, requireAccess } from "./require-access.ts";
import { covers } from "./same-object.ts";
import { settleApply } from "./settle-change.ts";

/** What is to be done so that the nodes hold a module. */
export interface CachePlan {
  readonly objects: readonly (ApplyChange | ObjectWait)[];
  readonly announce: AnnounceChange;
  readonly notes: readonly string[];
}

/** What a deploy wants of a cache. */
export interface CacheWish {
  readonly cache: CacheRequest;
  readonly image: ResolvedImage;
  /** Modules are read as files. */
  readonly files: boolean;
  readonly kubernetes: ServerVersion;
  readonly force: boolean;
  /** The filter that needs the image, as notices name it, and how others know. */
  readonly from: string;
  readonly need: AnnounceChange["need"];
}

/** What using a cache that exists needs to be allowed; making one needs more and is asked for then. */
export function cacheAccess(cache: CacheRequest): readonly Access[] {
  const { namespace, name } = cache;
  const configMap = { kind: Kinds.configMap, namespace };
  const reads: Access[] = [
    { verb: "get", kind: Kinds.daemonSet, namespace, name },
    { verb: "get", kind: Kinds.service, namespace, name },
    { verb: "get", ...configMap, name },
    { verb: "patch", ...configMap, name },
  ];
  if (cache.timeoutMs === 0) return reads;
  const pods: Access = { verb: "list", kind: Kinds.pod, namespace };
  return [...reads, { verb: "list", ...configMap }, { verb: "watch", ...configMap }, pods];
}

/**
 * Plans the cache: made when it is missing; brought up to date, and given a directory on the nodes when files are read,
 * when this tool made it and we may; left alone when somebody else installed it. Then the image's entry in its list.
 * Throws `CACHE_NOT_INSTALLED` (incompatible) where one is only used, and `CACHE_WITHOUT_FILES` (unauthorised).
 */
export async function planCache(deps: ClusterDeps, wish: CacheWish, look: CacheLook): Promise<CachePlan> {
  if (!look.sight.there) refuseUnmade(wish.cache, look.sight.unseen);
  const settings = settingsOf(wish, look);
  const found = look.sight.there
    ? await planExisting(deps, settings, { look, force: wish.force })
    : {
        objects: await planMissing(deps, settings, wish.force),
        notes: [`the node cache is made of image ${wish.cache.image}`],
      };
  if (wish.files && !look.sight.files && look.sight.there) refuseUnswitched(found.objects, look);
  return { ...found, announce: await planAnnounce(deps, wish, look.configMap) };
}

/** The cache's objects, each with its kind. */
export function cacheObjects(
  settings: CacheSettings,
): readonly { readonly kind: ResourceKind; readonly object: KubeObject }[] {
  return buildCacheObjects(settings).flatMap((object) => {
    const kind = kindOf(object);
    return kind === undefined ? [] : [{ kind, object }];
  });
}

/** A cache that keeps files goes on doing so: others may read them. */
function settingsOf({ cache, files, kubernetes }: CacheWish, { sight }: CacheLook): CacheSettings {
  const { timeoutMs: _timeoutMs, ...settings } = cache;
  return { ...settings, files: files || sight.files, kubernetes };
}

async function planMissing(
  deps: ClusterDeps,
  settings: CacheSettings,
  force: boolean,
): Promise<readonly (ApplyChange | ObjectWait)[]> {
  const objects = cacheObjects(settings);
  await requireAccess(
    deps,
    objects.flatMap(({ kind, object }) => writeAccess(kind, object)),
  );
  const [space, ...inside] = objects;
  if (space === undefined) return [];
  const ref = refTo(space.kind, space.object);
  const before = await deps.port.get(ref, deps.signal);
  const reason = CACHE_REASON;
  if (before?.metadata.deletionTimestamp !== undefined) {
    const gone: ObjectWait = { type: "wait-object", ref, timeoutMs: NAMESPACE_MS, look: lookGone };
    return [gone, ...objects.map((one) => untried(one))];
  }
  // A namespace of somebody else is used as it is: what we write into it, we would take for ours when it is tidied.
  if (before !== undefined && isForeign(before)) {
    if (settings.files) refuseForbidden(before);
    return await inParallel(inside, (one) => settleApply(deps, { ...one, reason, force }));
  }
  const first = await settleApply(deps, { ...space, reason: "holds the node cache", force, seen: { before } });
  // In a namespace that does not exist yet the server tries nothing.
  if (first.action === "create") return [first, ...inside.map((one) => untried(one))];
  return [first, ...(await inParallel(inside, (one) => settleApply(deps, { ...one, reason, force })))];
}

/** How long a namespace may take to be gone that an undeploy has just deleted. Milliseconds. */
const NAMESPACE_MS = 60_000;

function lookGone(live: KubeObject | undefined): { readonly done: boolean; readonly message: string } {
  return { done: live?.metadata.deletionTimestamp === undefined, message: "is being deleted still" };
}

function untried({ kind, object }: { readonly kind: ResourceKind; readonly object: KubeObject }): ApplyChange {
  const reason = CACHE_REASON;
  return { type: "apply", action: "create", ref: refTo(kind, object), object, reason, after: object };
}

async function planExisting(
  deps: ClusterDeps,
  settings: CacheSettings,
  found: { readonly look: CacheLook; readonly force: boolean },
): Promise<{ readonly objects: readonly ApplyChange[]; readonly notes: readonly string[] }> {
  const { look, force } = found;
  const where = `the node cache ${look.sight.title}`;
  if (!look.sight.changeable) return { objects: [], notes: [`${where} was installed by other means: used as it is`] };
  const parts = await inParallel(cacheObjects(settings), (one) => readPart(deps, one));
  const switches = settings.files && !look.sight.files;
  if (switches) refuseForbidden(parts.find(({ kind }) => kind === Kinds.namespace)?.live);
  const changes = parts.filter((part) => isToChange(part, switches || isOlder(look.daemonSet, settings.image)));
  if (changes.length === 0) return { objects: [], notes: [] };
  const missing = await missingAccess(
    deps,
    changes.flatMap(({ kind, object }) => writeAccess(kind, object)),
  );
  if (missing.length > 0)
    return { objects: [], notes: [`${where} is not of this version and may not be changed by us: used as it is`] };
  const reason = switches
    ? "gives the node cache a directory on each node"
    : `brings the node cache to ${settings.image}`;
  try {
    const objects = await inParallel(changes, (one) => settleApply(deps, { ...one, reason, force }));
    return { objects: objects.filter(({ action }) => action !== "unchanged"), notes: [] };
  } catch (error) {
    if (switches || !(error instanceof WasmeError) || error.code !== "KUBE_FIELD_CONFLICT") throw error;
    return { objects: [], notes: [`${where} was changed by somebody else: used as it is`] };
  }
}

interface Part {
  readonly kind: ResourceKind;
  readonly object: KubeObject;
  /** As it is; `undefined` when there is none. */
  readonly live: KubeObject | undefined;
  /** We may not look. */
  readonly unseen: boolean;
}

async function readPart(deps: ClusterDeps, one: Pick<Part, "kind" | "object">): Promise<Part> {
  const found = await deniedAsUndefined(
    deps.port.get(refTo(one.kind, one.object), deps.signal).then((live) => ({ live })),
  );
  return { ...one, live: found?.live, unseen: found === undefined };
}

/**
 * What is missing is made. What is there is changed only when it must be: whoever runs the cluster may have given the
 * cache other limits, and a deploy of another version wants nothing but an entry. The list is never written again, nor a
 * namespace of somebody else.
 */
function isToChange({ kind, object, live, unseen }: Part, must: boolean): boolean {
  if (kind === Kinds.configMap || unseen) return false;
  if (live === undefined) return true;
  if (kind === Kinds.namespace && isForeign(live)) return false;
  return must && !covers(live, object);
}

/** True for an object that neither this tool made nor the old one. */
function isForeign(live: KubeObject): boolean {
  return !isOurWork(live) && !isOldManaged(live);
}

/** True when the cache runs an earlier release of the very image; other images are somebody's choice. */
function isOlder(daemonSet: KubeObject | undefined, image: string): boolean {
  const [container] = listAt(daemonSet, "spec", "template", "spec", "containers");
  const [name, ...runs] = release(stringAt(container, "image"));
  const [wantedName, ...wanted] = release(image);
  const at = wanted.findIndex((part, index) => part !== runs[index]);
  return name !== undefined && name === wantedName && Number(runs[at]) < Number(wanted[at]);
}

/** `host/repo:1.2.3`: the repository and the numbers; nothing for tags that are no release. */
function release(image: string | undefined): readonly string[] {
  return /^(.+):v?(\d+)\.(\d+)\.(\d+)$/u.exec(image ?? "")?.slice(1) ?? [];
}

/** A namespace of somebody else keeps its level of pod security, and cache pods that keep files could not start. */
function refuseForbidden(space: KubeObject | undefined): void {
  if (space === undefined || !isForeign(space)) return;
  const level = space.metadata.labels?.["pod-security.kubernetes.io/enforce"];
  if (level !== "baseline" && level !== "restricted") return;
  const name = JSON.stringify(space.metadata.name);
  const message = `namespace ${name} enforces pod security ${JSON.stringify(level)}, under which a node cache cannot keep files`;
  throw new WasmeError("incompatible", "CACHE_WITHOUT_FILES", message, {
    hint: "deploy with --delivery cache-http, or name another namespace with --cache-namespace",
  });
}

/** Files were asked for, and the cache would go on keeping none. */
function refuseUnswitched(objects: CachePlan["objects"], { sight }: CacheLook): void {
  if (objects.some(({ ref }) => ref.kind === Kinds.daemonSet)) return;
  const message = `the node cache ${sight.title} keeps no files, and we may not change it`;
  throw new WasmeError("unauthorised", "CACHE_WITHOUT_FILES", message, {
    hint: "ask for it to be installed with files, or deploy with --delivery cache-http",
  });
}

/** Who only uses a cache makes none. */
function refuseUnmade({ upkeep = "make", namespace, name }: CacheRequest, unseen: string | undefined): void {
  if (upkeep === "make") return;
  if (unseen !== undefined) {
    const details = { cache: `${namespace}/${name}` };
    throw new WasmeError("unauthorised", "KUBE_FORBIDDEN", unseen, { hint: "ask for a role with that verb", details });
  }
  const isNone = upkeep === "none";
  const where = isNone ? "there is no node cache to use" : `the node cache ${namespace}/${name} is not installed`;
  throw new WasmeError("incompatible", "CACHE_NOT_INSTALLED", where, {
    hint: `${installCommand(isNone ? undefined : { namespace, name })}; or deploy with --delivery registry`,
  });
}

async function planAnnounce(
  deps: ClusterDeps,
  { cache, image, from, need }: CacheWish,
  before: KubeObject | undefined,
): Promise<AnnounceChange> {
  const own = cacheEntry(image);
  const entry = { ...own, value: cache.listedAs ?? own.value };
  const { name, namespace } = cache;
  const ref: ObjectRef = { kind: Kinds.configMap, name, namespace };
  const reason = "makes every node fetch the module";
  // Objects that are there to be seen say it all.
  const stage = need === "seen" ? "there" : "coming";
  const change: AnnounceChange = { type: "announce", action: "update", ref, ...entry, from, stage, need, reason };
  if (before === undefined) return change;
  if (isListed(before, entry)) {
    return { ...change, action: "unchanged", reason: "lists the module already", before, after: before };
  }
  if (deps.trial === false) return { ...change, before };
  const patch = announcePatch(entry, { from, coming: false });
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

const CACHE_REASON = "part of the node cache";
