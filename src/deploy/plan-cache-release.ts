import { isDigest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { parseImageReference } from "../domain/image-reference.ts";
import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, stringMapAt } from "../kube/objects.ts";
import type { Access, ObjectRef } from "../kube/port.ts";
import { cacheEntry, cacheEntryPatch } from "../mesh/cache-objects.ts";
import { IMAGE_ANNOTATION, IMAGE_DIGEST_ANNOTATION } from "../mesh/names.ts";
import { CACHE_ANNOTATION } from "./filter-object.ts";
import { listOurEnvoyFilters } from "./our-objects.ts";
import type { AnnounceChange, Step } from "./plan.ts";
import {
  CACHE_UNNEEDED,
  type CacheName,
  type CacheRelease,
  cacheTitle,
  planCacheRemoval,
} from "./plan-cache-removal.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined, missingAccess } from "./require-access.ts";

/**
 * Takes modules no EnvoyFilter of the whole cluster names any more, once those `going` are gone and those `coming` are
 * there, off the caches' lists, and a cache that we made and that holds nothing any more away. What we may not see or
 * change stays, with a note.
 */
export async function planCacheRelease(
  deps: ClusterDeps,
  going: readonly KubeObject[],
  coming: readonly KubeObject[] = [],
): Promise<CacheRelease> {
  const stays = new Set(coming.map((object) => entryOf(object)));
  if (going.every((object) => stays.has(entryOf(object)))) return NOTHING;
  const everywhere = await deniedAsUndefined(listOurEnvoyFilters(deps));
  if (everywhere === undefined) {
    return {
      steps: [],
      notes: ["the module stays on the node cache's list: not allowed to see whether other namespaces need it"],
    };
  }
  const gone = new Set(going.map((object) => object.metadata.uid));
  const left = [...everywhere.filter((object) => !gone.has(object.metadata.uid)), ...coming];
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
  if (keys.length === 0) return NOTHING;
  const rights = ["get", "patch"].map((verb): Access => ({ verb, ...ref }));
  if ((await missingAccess(deps.port, rights, deps.signal)).length > 0) {
    return { steps: [], notes: [`the module stays on the list of ${cacheTitle(cache)}: not allowed to change it`] };
  }
  const before = await deps.port.get(ref, deps.signal);
  if (before === undefined) return NOTHING;
  const data = stringMapAt(before, "data");
  const present = keys.filter((key): key is string => key !== undefined && data[key] !== undefined);
  const empties = filters.left.length === 0 && present.length === Object.keys(data).length;
  const whole = empties ? await planCacheRemoval(deps, cache) : undefined;
  const entries = present.map(async (key): Promise<AnnounceChange> => {
    const options = { dryRun: true, signal: deps.signal };
    const after = await deps.port.patch(ref, cacheEntryPatch([{ key, value: null }]), options);
    const reason = "no filter needs the module any more";
    return { type: "announce", action: "update", ref, key, value: null, reason, before, after };
  });
  return withRemoval(await Promise.all(entries), whole);
}

/** The entries' changes; the last one takes the map with it when the whole cache goes. */
function withRemoval(entries: readonly AnnounceChange[], whole: CacheRelease | undefined): CacheRelease {
  const last = entries.at(-1);
  if (whole === undefined || last === undefined) return { steps: entries, notes: [] };
  const end = { ...last, action: "delete", after: undefined, deleteWhenEmpty: true, reason: CACHE_UNNEEDED } as const;
  return { steps: [...entries.slice(0, -1), end, ...whole.steps], notes: whole.notes };
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

/** Which entry of which cache an EnvoyFilter needs. */
function entryOf(object: KubeObject): string {
  return `${object.metadata.annotations?.[CACHE_ANNOTATION] ?? ""} ${entryKey(object) ?? ""}`;
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
