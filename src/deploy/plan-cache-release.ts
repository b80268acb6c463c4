import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, stringMapAt } from "../kube/objects.ts";
import type { Access, ObjectRef } from "../kube/port.ts";
import { type CacheName, cacheOf } from "./cache-name.ts";
import { cacheOptions } from "./cache-options.ts";
import { isEmptied, keysOf, type Notice, noticesOn, releasePatch } from "./cache-list.ts";
import { inParallel } from "./in-parallel.ts";
import { neededEntries } from "./needed-entries.ts";
import { cacheUseOf } from "./our-objects.ts";
import type { DeleteChange, MarkStep, ReleaseChange } from "./plan.ts";
import { CACHE_UNNEEDED, type CacheRelease, cacheTitle, planCacheRemoval } from "./plan-cache-removal.ts";
import { planSecretRelease } from "./plan-pull-secret.ts";
import type { ClusterDeps, Owner } from "./request.ts";
import { deniedAsUndefined, missingAccess } from "./require-access.ts";

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
  /** Objects that are gone then, or replaced by one of `coming`, by uid. */
  readonly over: ReadonlySet<string | undefined>;
  readonly coming: readonly KubeObject[];
  /** The filter on whose behalf it is, as notices name it. */
  readonly from: string;
  /** A FilterDeployment that no longer counts: what it needs is among `coming`. */
  readonly owner: Owner | undefined;
}

/**
 * Takes entries off the caches' lists that no object of ours in the whole cluster and no FilterDeployment needs any more,
 * and a cache that we made and that holds nothing any more away. Whether somebody needs one is asked when the step is
 * carried out; what the plan says of it is what would happen now. What we may not see or change stays, with a note.
 */
export async function planCacheRelease(
  deps: ClusterDeps,
  uses: readonly CacheUse[],
  remaining: Remaining,
): Promise<EntryRelease> {
  const stays = new Set(remaining.coming.map((object) => useText(cacheUseOf(object))));
  const going = uses.filter((use) => !stays.has(useText(use)));
  const parts: EntryRelease[] = [];
  for (const title of new Set(going.map(({ cache }) => cache))) {
    const keys = new Set(going.filter(({ cache }) => cache === title).map(({ key }) => key));
    parts.push(await releaseFrom(deps, cacheOf(title), { keys: [...keys], remaining }));
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
  what: { readonly keys: readonly string[]; readonly remaining: Remaining },
): Promise<EntryRelease> {
  const ref: ObjectRef = { kind: Kinds.configMap, ...cache };
  const rights = ["get", "patch"].map((verb): Access => ({ verb, ...ref }));
  if ((await missingAccess(deps, rights)).length > 0) {
    return only(`the module stays on the list of ${cacheTitle(cache)}: not allowed to change it`);
  }
  // Who does not ask beforehand is refused here: a cache that was used before may be out of reach now.
  const seen = await deniedAsUndefined(deps.port.get(ref, deps.signal).then((live) => ({ live })));
  if (seen === undefined) return only(`the module stays on the list of ${cacheTitle(cache)}: not allowed to see it`);
  const before = seen.live;
  if (before === undefined) return NOTHING;
  const { from, owner } = what.remaining;
  const data = stringMapAt(before, "data");
  const noted = keysOf(before, from);
  const keys = what.keys.filter((key) => data[key] !== undefined || noted.includes(key));
  if (keys.length === 0) return NOTHING;
  const needed = await neededEntries(deps, { title: `${cache.namespace}/${cache.name}`, data }, what.remaining);
  if ("unseen" in needed) {
    return only(`the module stays on the list of ${cacheTitle(cache)}: not allowed to see ${needed.unseen}`);
  }
  // What copies say is needed is left to the sweep: asking the server in each of a thousand updates would be its end.
  const chosen = deps.live === undefined ? keys : keys.filter((key) => !needed.has(key));
  const awaited = noticesOn(before, "coming").filter((notice) => notice.from !== from && !needed.has(notice.key));
  const stays = new Set([...needed, ...awaited.map(({ key }) => key)]);
  const secrets = await planSecretRelease(deps, cache, { keys: chosen, needed: stays, list: ref, from });
  const releases = await inParallel(chosen, (key) =>
    release(deps, before, {
      type: "release",
      action: stays.has(key) || data[key] === undefined ? "unchanged" : "update",
      ref,
      key,
      from,
      owner,
      credentials: secrets.some((secret) => secret.key === key),
      withCache: true,
      reason: "no filter needs the module any more",
      before,
      after: before,
    }),
  );
  const goes = new Set(releases.filter(({ action }) => action === "update").map(({ key }) => key));
  const empties = goes.size > 0 && needed.size === 0 && Object.keys(data).every((key) => goes.has(key));
  const removal = chosen.length === 0 ? NO_STEPS : await planEmptied(deps, cache, { before, empties });
  return {
    marks: chosen.map((key) => ({ type: "mark", ref, key, from })),
    steps: [...releases, ...secrets, ...removal.steps],
    notes: [...awaitedNotes(cache, awaited, data), ...removal.notes],
  };
}

/** Who keeps entries that nothing needs: nobody can tell a deploy that is slow from one that was killed. */
function awaitedNotes(
  cache: CacheName,
  awaited: readonly Notice[],
  data: Readonly<Record<string, string>>,
): readonly string[] {
  return awaited.slice(0, NAMED).map((notice) => awaitedNote(cache, notice, data));
}

/** Whom a cache keeps an entry for whose objects are not there (yet), and how that is ended. */
export function awaitedNote(cache: CacheName, { key, from }: Notice, data: Readonly<Record<string, string>>): string {
  const what = `${cacheTitle(cache)} keeps ${data[key] ?? key}`;
  return `${what} for ${from}, which is being deployed, or its deploy was stopped: ${endOf(cache, from)}`;
}

/** How what a filter said of an entry is ended. */
function endOf(cache: CacheName, from: string): string {
  const [namespace = "", ...name] = from.split("/");
  if (name.length > 1) return "the operator goes on with it, or deletes it with its FilterDeployment";
  return `run that again, or "wasme undeploy istio --id ${name.join("/")} -n ${namespace}${cacheOptions(cache)}"`;
}

const NAMED = 3;

async function release(deps: ClusterDeps, before: KubeObject, change: ReleaseChange): Promise<ReleaseChange> {
  if (change.action === "unchanged" || deps.trial === false) return change;
  const patch = releasePatch(before, change.key, { emptied: false });
  return { ...change, after: await deps.port.patch(change.ref, patch, { dryRun: true, signal: deps.signal }) };
}

/** What is left of a cache whose list was emptied, or is gone: a run stopped while it took the cache away. */
export async function planOrphan(
  deps: ClusterDeps,
  cache: CacheName,
  list: KubeObject | undefined,
): Promise<CacheRelease> {
  if (list !== undefined && !isEmptied(list)) return NO_STEPS;
  const whole = await planCacheRemoval(deps, cache);
  if (whole === undefined || whole.steps.length === 0) return NO_STEPS;
  return { ...whole, steps: [removalOf(cache, list, "delete"), ...whole.steps] };
}

/**
 * The deletion of a list that is empty by then, with its cache's parts. They are planned only where that is expected, so
 * that they can be told: the step itself looks at what there is.
 */
async function planEmptied(
  deps: ClusterDeps,
  cache: CacheName,
  list: { readonly before: KubeObject; readonly empties: boolean },
): Promise<CacheRelease> {
  const { before, empties } = list;
  const removal = empties && deps.trial !== false ? await planCacheRemoval(deps, cache) : undefined;
  const action = removal === undefined || removal.steps.length === 0 ? "unchanged" : "delete";
  return { steps: [removalOf(cache, before, action), ...(removal?.steps ?? [])], notes: removal?.notes ?? [] };
}

function removalOf(cache: CacheName, before: KubeObject | undefined, action: "unchanged" | "delete"): DeleteChange {
  const ref: ObjectRef = { kind: Kinds.configMap, ...cache };
  return { type: "delete", action, ref, reason: CACHE_UNNEEDED, before, onlyEmptied: true };
}

function useText(use: CacheUse | undefined): string {
  return use === undefined ? "" : `${use.cache} ${use.key}`;
}

function only(note: string): EntryRelease {
  return { marks: [], steps: [], notes: [note] };
}

const NO_STEPS: CacheRelease = { steps: [], notes: [] };
const NOTHING: EntryRelease = { marks: [], ...NO_STEPS };
