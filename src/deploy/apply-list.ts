import { WasmeError } from "../domain/errors.ts";
import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, stringMapAt } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import { cacheEntryPatch, cacheLabels } from "../mesh/cache-objects.ts";
import { eventLabels } from "../mesh/cache-event.ts";
import type { Run } from "./run.ts";
import {
  announcePatch,
  goingPatch,
  isAnnounced,
  isEmptied,
  isListed,
  type ListEntry,
  noticesOn,
  releasePatch,
  says,
  stayPatch,
} from "./cache-list.ts";
import { live, neededEntries } from "./needed-entries.ts";
import type { OutcomeWord } from "./outcomes.ts";
import type { AnnounceChange, DeleteChange, MarkStep, ReleaseChange } from "./plan.ts";
import { planCacheRemoval } from "./plan-cache-removal.ts";
import type { ClusterDeps } from "./request.ts";
import { asConflict, retryConflicts, seenOf } from "./retry-conflicts.ts";
import { labelText } from "./select-workloads.ts";
import { withVersion } from "./settle-change.ts";

/** Says that a filter goes; of a list or an entry that is not there nothing needs to be said. */
export async function applyMark({ deps }: Run, step: MarkStep): Promise<void> {
  const list = await deps.port.get(step.ref, deps.signal);
  if (list === undefined || stringMapAt(list, "data")[step.key] === undefined) return;
  if (says(list, "going", step) && !says(list, "coming", step)) return;
  await patchList(deps, step.ref, goingPatch(step));
}

/**
 * Puts an entry on the list and says of its filter what the step says; other writers' keys and notices are never touched.
 * A list that is gone before the first object is applied is an error; afterwards it is made again.
 */
export async function applyAnnounce(run: Run, change: AnnounceChange): Promise<OutcomeWord> {
  const { deps } = run;
  const entry = { key: change.key, value: change.value };
  const list = await listBefore(deps, change);
  const listed = list !== undefined && isListed(list, entry);
  const saying = { from: change.from, coming: change.stage === "coming" && change.need === "told" };
  if (list !== undefined && isAnnounced(list, entry, saying)) return "unchanged";
  const patched = list === undefined ? undefined : await patchList(deps, change.ref, announcePatch(entry, saying));
  if (patched === undefined && change.stage === "coming") throw cacheGone(change.ref);
  if (patched === undefined) await makeList(deps, change);
  if (!listed) run.written.add(change.key);
  return listed ? "unchanged" : "changed";
}

/**
 * The list as it is. Who answers from copies goes by its copy where nothing depends on this very moment: nobody has to be
 * told before the first object is applied, or the entry is to be written in any case. What is gone by then is seen after.
 */
async function listBefore(deps: ClusterDeps, change: AnnounceChange): Promise<KubeObject | undefined> {
  const { need, stage, ref, action, before } = change;
  if (deps.live !== undefined && stage === "coming" && action === "update" && before !== undefined) return before;
  const fromCopy = need === "seen" || (need === "named" && stage === "coming");
  const { port, signal } = fromCopy ? deps : live(deps);
  return await port.get(ref, signal);
}

/** Puts an entry back that somebody took out of the list by hand while it was waited for. */
export async function relist(deps: ClusterDeps, ref: ObjectRef, entry: ListEntry): Promise<void> {
  const list = await deps.port.get(ref, deps.signal);
  if (list !== undefined && !isListed(list, entry)) await patchList(deps, ref, cacheEntryPatch([entry]));
}

/** Takes an entry out, in the version of the list in which nobody was coming and nothing needed it. */
export async function applyRelease(run: Run, change: ReleaseChange): Promise<OutcomeWord> {
  const { deps } = run;
  const { ref, key, from } = change;
  return retryConflicts(deps, async () => {
    const list = await live(deps).port.get(ref, deps.signal);
    if (list === undefined) return "unchanged";
    const data = stringMapAt(list, "data");
    const listed = data[key] !== undefined;
    if (!listed || (await isWanted(deps, list, change))) {
      const said = says(list, "going", change);
      if (said && (listed || !change.credentials)) await patchList(deps, ref, stayPatch(change));
      return listed && change.action !== "unchanged" ? "kept" : "unchanged";
    }
    const keep = change.credentials ? from : undefined;
    const patch = releasePatch(list, key, { keep, emptied: change.withCache });
    await deps.port.patch(ref, withVersion(patch, list), { signal: deps.signal });
    await forgetEvents(deps, ref.namespace ?? "", data[key] ?? "");
    return "changed";
  });
}

/** What the nodes told about an image that is no longer listed: courtesy, so who may not delete it leaves it there. */
async function forgetEvents(deps: ClusterDeps, namespace: string, text: string): Promise<void> {
  try {
    await deps.port.deleteAll(
      { kind: Kinds.event, namespace, labelSelector: labelText(eventLabels(text)) },
      deps.signal,
    );
  } catch (error) {
    if (!(error instanceof WasmeError) || error.code !== "KUBE_FORBIDDEN") throw error;
    deps.events({
      type: "milestone",
      message: `events of ${namespace} about the image stay an hour: ${error.message}`,
    });
  }
}

async function isWanted(deps: ClusterDeps, list: KubeObject, { ref, key, owner }: ReleaseChange): Promise<boolean> {
  if (noticesOn(list, "coming").some((notice) => notice.key === key)) return true;
  const content = { title: titleOf(ref), data: stringMapAt(list, "data") };
  const needed = await neededEntries(live(deps), content, { owner });
  // Who may not see that nobody needs it leaves it there.
  return "unseen" in needed || needed.has(key);
}

/**
 * Deletes a list whose last entry was taken out, unless somebody says something in this very moment; the rest of a cache
 * that we made goes then, and is looked at only now.
 */
export async function applyRemoval(run: Run, change: DeleteChange): Promise<OutcomeWord> {
  const { deps } = run;
  const { ref } = change;
  const kept = change.action === "unchanged" ? "unchanged" : "kept";
  const list = await live(deps).port.get(ref, deps.signal);
  if (list === undefined ? await isUsed(deps, ref) : !isEmptied(list)) return kept;
  const whole = await planCacheRemoval(live(deps), { namespace: ref.namespace ?? "", name: ref.name });
  if (whole === undefined || whole.steps.length === 0) return kept;
  try {
    if (list !== undefined) await deps.port.delete(ref, { ...seenOf(list), signal: deps.signal });
  } catch (error) {
    if (error instanceof WasmeError && error.code === "KUBE_CONFLICT") return kept;
    throw error;
  }
  run.goneCaches.add(titleOf(ref));
  run.next.push(...whole.steps);
  return list === undefined ? "unchanged" : "deleted";
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

/** The list after the patch; `undefined` when there is none. */
async function patchList(
  deps: ClusterDeps,
  ref: ObjectRef,
  patch: Readonly<Record<string, unknown>>,
): Promise<KubeObject | undefined> {
  try {
    return await deps.port.patch(ref, patch, { signal: deps.signal });
  } catch (error) {
    if (error instanceof WasmeError && error.code === "KUBE_NOT_FOUND") return undefined;
    throw error;
  }
}

async function makeList(deps: ClusterDeps, { ref, key, value }: AnnounceChange): Promise<void> {
  const { name, namespace = "" } = ref;
  const metadata = { name, namespace, labels: cacheLabels({ name }) };
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { [key]: value } };
  await deps.port.create(Kinds.configMap, object, { signal: deps.signal }).catch(asConflict);
}

function cacheGone({ namespace, name }: ObjectRef): WasmeError {
  return new WasmeError("failed", "CACHE_GONE", `the node cache ${namespace ?? ""}/${name} was deleted meanwhile`, {
    hint: "run the same command again: it makes one",
  });
}

function titleOf({ namespace, name }: ObjectRef): string {
  return `${namespace ?? ""}/${name}`;
}
