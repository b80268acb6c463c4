import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, stringMapAt } from "../kube/objects.ts";
import type { Access, ObjectRef } from "../kube/port.ts";
import { releasePatch } from "./cache-list.ts";
import { filterDeploymentsNaming } from "./filter-deployments.ts";
import { inParallel } from "./in-parallel.ts";
import { cacheUseOf, oursAmong, readFilterObjects } from "./our-objects.ts";
import type { AnnounceChange, MarkStep } from "./plan.ts";
import {
  CACHE_UNNEEDED,
  type CacheName,
  type CacheRelease,
  cacheTitle,
  planCacheRemoval,
} from "./plan-cache-removal.ts";
import { planSecretRelease } from "./plan-pull-secret.ts";
import type { ClusterDeps, Owner, Via } from "./request.ts";
import { missingAccess } from "./require-access.ts";

/** The same, with what is noted before it. */
export interface EntryRelease extends CacheRelease {
  /** To be done before the filters go. */
  readonly marks: readonly MarkStep[];
}

/** An entry of a cache (`namespace/name`). */
export interface CacheUse {
  readonly cache: string;
  readonly key: string;
}

/** What will be there when entries are taken out. */
export interface Remaining {
  readonly served: ReadonlySet<Via>;
  /** Objects that are gone then, or replaced by one of `coming`, by uid. */
  readonly over: ReadonlySet<string | undefined>;
  readonly coming: readonly KubeObject[];
  /** The filter on whose behalf it is, `namespace/id`. */
  readonly from: string;
  /** A FilterDeployment that no longer counts: what it needs is among `coming`. */
  readonly owner: Owner | undefined;
}

/**
 * Takes entries no object of ours in the whole cluster and no FilterDeployment names any more off the caches' lists, and
 * a cache that we made and that holds nothing any more away. What we may not see or change stays, with a note.
 */
export async function planCacheRelease(
  deps: ClusterDeps,
  uses: readonly CacheUse[],
  remaining: Remaining,
): Promise<EntryRelease> {
  const stays = new Set(remaining.coming.map((object) => useText(cacheUseOf(object))));
  const going = uses.filter((use) => !stays.has(useText(use)));
  if (going.length === 0) return NOTHING;
  const everywhere = await readFilterObjects(deps, remaining.served);
  if (everywhere.denied.length > 0) {
    return only("the module stays on the node cache's list: not allowed to see whether other namespaces need it");
  }
  const objects = oursAmong(everywhere).map(({ object }) => object);
  const left = [...objects.filter(({ metadata }) => !remaining.over.has(metadata.uid)), ...remaining.coming];
  const needed = left.flatMap((object) => cacheUseOf(object) ?? []);
  const parts: EntryRelease[] = [];
  for (const title of new Set(going.map(({ cache }) => cache))) {
    const keys = [...new Set(going.filter(({ cache }) => cache === title).map(({ key }) => key))];
    const kept = new Set(needed.filter(({ cache }) => cache === title).map(({ key }) => key));
    parts.push(
      await releaseFrom(deps, cacheOf(title), { keys: keys.filter((key) => !kept.has(key)), kept, remaining }),
    );
  }
  return {
    marks: parts.flatMap(({ marks }) => marks),
    steps: parts.flatMap(({ steps }) => steps),
    notes: parts.flatMap(({ notes }) => notes),
  };
}

async function releaseFrom(
  deps: ClusterDeps,
  cache: CacheName,
  what: { readonly keys: readonly string[]; readonly kept: ReadonlySet<string>; readonly remaining: Remaining },
): Promise<EntryRelease> {
  const ref: ObjectRef = { kind: Kinds.configMap, ...cache };
  if (what.keys.length === 0) return NOTHING;
  const rights = ["get", "patch"].map((verb): Access => ({ verb, ...ref }));
  if ((await missingAccess(deps, rights)).length > 0) {
    return only(`the module stays on the list of ${cacheTitle(cache)}: not allowed to change it`);
  }
  const before = await deps.port.get(ref, deps.signal);
  if (before === undefined) return NOTHING;
  const data = stringMapAt(before, "data");
  const named = await filterDeploymentsNaming(deps, data, what.remaining.owner);
  if (named === undefined) {
    return only(
      `the module stays on the list of ${cacheTitle(cache)}: not allowed to see whether a FilterDeployment needs it`,
    );
  }
  const keys = what.keys.filter((key) => data[key] !== undefined && !named.has(key));
  const empties = what.kept.size === 0 && keys.length > 0 && keys.length === Object.keys(data).length;
  const whole = empties ? await planCacheRemoval(deps, cache) : undefined;
  const secrets = await planSecretRelease(deps, cache, keys);
  const entries = await inParallel(keys, (key) => release(deps, { ref, key, before }));
  const marks = keys.map((key): MarkStep => ({ type: "mark", ref, key, from: what.remaining.from }));
  const removed = withRemoval(entries, whole);
  return { ...removed, marks, steps: [...secrets, ...removed.steps] };
}

async function release(
  deps: ClusterDeps,
  entry: { readonly ref: ObjectRef; readonly key: string; readonly before: KubeObject },
): Promise<AnnounceChange> {
  const { ref, key, before } = entry;
  const reason = "no filter needs the module any more";
  const change: AnnounceChange = { type: "announce", action: "update", ref, key, value: null, reason, before };
  if (deps.trial === false) return change;
  const after = await deps.port.patch(ref, releasePatch(key), { dryRun: true, signal: deps.signal });
  return { ...change, after };
}

/** The entries' changes; the last one takes the map with it when the whole cache goes. */
function withRemoval(entries: readonly AnnounceChange[], whole: CacheRelease | undefined): EntryRelease {
  const last = entries.at(-1);
  if (whole === undefined || last === undefined) return { marks: [], steps: entries, notes: [] };
  const end = { ...last, action: "delete", after: undefined, deleteWhenEmpty: true, reason: CACHE_UNNEEDED } as const;
  return { marks: [], steps: [...entries.slice(0, -1), end, ...whole.steps], notes: whole.notes };
}

/** The cache that an annotation names. */
function cacheOf(text: string): CacheName {
  const slash = text.indexOf("/");
  return { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
}

function useText(use: CacheUse | undefined): string {
  return use === undefined ? "" : `${use.cache} ${use.key}`;
}

function only(note: string): EntryRelease {
  return { marks: [], steps: [], notes: [note] };
}

const NOTHING: EntryRelease = { marks: [], steps: [], notes: [] };
