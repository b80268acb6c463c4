import { WasmeError } from "../domain/errors.ts";
import { Kinds } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import { isEmptied } from "./cache-list.ts";
import { live, neededEntries } from "./needed-entries.ts";
import type { OutcomeWord } from "./outcomes.ts";
import type { DeleteChange } from "./plan.ts";
import { type CacheRelease, planCacheRemoval } from "./plan-cache-removal.ts";
import type { ClusterDeps } from "./request.ts";
import { seenOf } from "./retry-conflicts.ts";
import type { Run } from "./run.ts";

/**
 * How long a cache serves on that this run took the last filter from. istiod gathers changes before it tells the proxies,
 * and one that is not told yet, or starts just then, asks for a module that a cache which is gone cannot let linger.
 */
const CACHE_REST_MS = 5000;

/**
 * Deletes a list whose last entry was taken out, unless somebody says something in this very moment; the rest of a cache
 * that we made goes then, and is looked at only now.
 */
export async function applyRemoval(run: Run, change: DeleteChange): Promise<OutcomeWord> {
  const { deps } = run;
  const { ref } = change;
  const kept = change.action === "unchanged" ? "unchanged" : "kept";
  let found = await lookForRemoval(deps, ref);
  // Who wrote to the list meanwhile may have left the cache, too, only a moment ago.
  for (let version: string | undefined; found !== undefined && found.version !== version;) {
    version = found.version;
    if (await rest(run, ref)) found = await lookForRemoval(deps, ref);
  }
  if (found === undefined) return kept;
  const { list, steps } = found;
  try {
    if (list !== undefined) await deps.port.delete(ref, { ...seenOf(list), signal: deps.signal });
  } catch (error) {
    if (error instanceof WasmeError && error.code === "KUBE_CONFLICT") return kept;
    throw error;
  }
  run.goneCaches.add(titleOf(ref));
  run.next.push(...steps);
  return list === undefined ? "unchanged" : "deleted";
}

interface Removal {
  readonly list: KubeObject | undefined;
  /** Of the list; empty when there is none. */
  readonly version: string;
  /** What takes the parts of the cache away. */
  readonly steps: CacheRelease["steps"];
}

/** What there is to be removed, as the server says now; `undefined` when nothing may go. */
async function lookForRemoval(deps: ClusterDeps, ref: ObjectRef): Promise<Removal | undefined> {
  const now = live(deps);
  const list = await now.port.get(ref, deps.signal);
  if (list === undefined ? await isUsed(deps, ref) : !isEmptied(list)) return undefined;
  const whole = await planCacheRemoval(now, { namespace: ref.namespace ?? "", name: ref.name });
  if (whole === undefined || whole.steps.length === 0) return undefined;
  return { list, version: list?.metadata.resourceVersion ?? "", steps: whole.steps };
}

/** True when it took time: proxies may not have been told yet of what this run took out of their configuration. */
async function rest({ deps, leftCaches }: Run, ref: ObjectRef): Promise<boolean> {
  const ms = deps.cacheRestMs ?? CACHE_REST_MS;
  if (!leftCaches.has(titleOf(ref)) || ms === 0) return false;
  const message = `the node cache ${titleOf(ref)} serves on for ${ms / 1000} s: proxies are told late that no filter needs it`;
  deps.events({ type: "milestone", message });
  await deps.clock.sleep(ms, deps.signal);
  return true;
}

/** True when objects name a cache whose list is gone: somebody else than us took it away. */
async function isUsed(deps: ClusterDeps, ref: ObjectRef): Promise<boolean> {
  const needed = await neededEntries(live(deps), { title: titleOf(ref), data: {} }, { owner: undefined });
  return "unseen" in needed || needed.size > 0;
}

/** True while the list of a cache that goes is not there again. */
export async function isStillGone({ deps, goneCaches }: Run, title: string): Promise<boolean> {
  if (!goneCaches.has(title)) return false;
  const [namespace = "", name = ""] = title.split("/");
  return (await live(deps).port.get({ kind: Kinds.configMap, namespace, name }, deps.signal)) === undefined;
}

function titleOf({ namespace, name }: ObjectRef): string {
  return `${namespace ?? ""}/${name}`;
}
