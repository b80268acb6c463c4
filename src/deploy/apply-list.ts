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
  isListed,
  isSameSource,
  type ListEntry,
  noticesOn,
  releasePatch,
  says,
  stayPatch,
} from "./cache-list.ts";
import { live, neededEntries } from "./needed-entries.ts";
import type { OutcomeWord } from "./outcomes.ts";
import type { AnnounceChange, MarkStep, ReleaseChange } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";
import { asConflict, retryConflicts } from "./retry-conflicts.ts";
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
  const list = await listBefore(deps, change);
  const entry = { key: change.key, value: takenMeanwhile(change, list) ?? change.value };
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
 * What lists the digest from another repository since the plan: the same bytes, that somebody else has begun to wait for.
 * Only what the plan has seen there is written over, on its purpose.
 */
function takenMeanwhile(change: AnnounceChange, list: KubeObject | undefined): string | undefined {
  const { key, value, action, before } = change;
  const present = stringMapAt(list, "data")[key];
  if (present === undefined || isSameSource(present, value)) return undefined;
  const seen = action === "unchanged" ? undefined : stringMapAt(before, "data")[key];
  return seen !== undefined && isSameSource(present, seen) ? undefined : present;
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

/** Puts an entry back that somebody took out of the list by hand while it was waited for; from where it is pulled may change. */
export async function relist(deps: ClusterDeps, ref: ObjectRef, entry: ListEntry): Promise<void> {
  const list = await deps.port.get(ref, deps.signal);
  if (list !== undefined && stringMapAt(list, "data")[entry.key] === undefined)
    await patchList(deps, ref, cacheEntryPatch([entry]));
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
