import { assertNever, WasmeError } from "../domain/errors.ts";
import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, stringMapAt } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import { announceEntry, isAnnounced, isMarked, markPatch, releasePatch } from "./cache-list.ts";
import { editWorkload, type WorkloadEdit } from "./edit-workload.ts";
import { isFor, oursAmong, readFilterObjects, servedVias, volumeOf } from "./our-objects.ts";
import type { OutcomeWord } from "./outcomes.ts";
import type {
  AnnounceChange,
  ApplyChange,
  Change,
  DeleteChange,
  EditChange,
  MarkStep,
  SecretChange,
  TouchChange,
} from "./plan.ts";
import type { ClusterDeps } from "./request.ts";
import { retryConflicts } from "./retry-conflicts.ts";
import { withVersion } from "./settle-change.ts";

/** A plan that is being carried out. */
export interface Run {
  readonly deps: ClusterDeps;
  readonly force: boolean;
  /** Caches (`namespace/name`) whose list was deleted in this run, so the rest of them may go. */
  readonly goneCaches: Set<string>;
  /** Keys whose entry or credentials were written in this run: what nodes say of them is of before. */
  readonly written: Set<string>;
}

/** A run at its beginning. */
export function startRun(deps: ClusterDeps, force: boolean): Run {
  return { deps, force, goneCaches: new Set(), written: new Set() };
}

/** Carries one change out, on the object as it is now. */
export async function applyChange(run: Run, change: Change): Promise<OutcomeWord> {
  const { deps } = run;
  switch (change.type) {
    case "apply":
      return applyObject(run, change);
    case "announce":
      return change.value === null ? applyRelease(run, change) : applyAnnounce(run, change, change.value);
    case "secret":
      return applySecret(run, change);
    case "edit":
      return applyEdit(deps, change);
    case "touch":
      return applyTouch(deps, change);
    case "delete":
      return applyDelete(run, change);
    default:
      return assertNever(change);
  }
}

/** Marks an entry as going; a list or an entry that is not there needs no mark. */
export async function applyMark(run: Run, step: MarkStep): Promise<void> {
  const { port, signal } = run.deps;
  const live = await port.get(step.ref, signal);
  if (live === undefined || stringMapAt(live, "data")[step.key] === undefined || isMarked(live, step.key)) return;
  await port.patch(step.ref, markPatch(step.key, step.from), { signal });
}

async function applyObject(run: Run, change: ApplyChange): Promise<OutcomeWord> {
  if (change.action === "unchanged") return "unchanged";
  const force = run.force || change.force === true;
  await run.deps.port.apply(change.ref.kind, change.object, { force, signal: run.deps.signal });
  return change.action === "create" ? "created" : "changed";
}

/** The entry of one key in the cache's list; other writers' keys are never touched. */
async function applyAnnounce(run: Run, change: AnnounceChange, value: string): Promise<OutcomeWord> {
  const entry = { key: change.key, value };
  const written = await announceEntry(run.deps, change.ref, entry);
  if (written !== undefined) {
    run.written.add(change.key);
    return "changed";
  }
  const live = await run.deps.port.get(change.ref, run.deps.signal);
  if (live !== undefined && isAnnounced(live, entry)) return "unchanged";
  const { namespace, name } = change.ref;
  throw new WasmeError("failed", "CACHE_GONE", `the node cache ${namespace ?? ""}/${name} was deleted meanwhile`, {
    hint: "run the same command again: it makes one",
  });
}

/** Takes an entry out that is still marked as going; who announced it since has taken the mark away. */
async function applyRelease(run: Run, change: AnnounceChange): Promise<OutcomeWord> {
  const { port, signal } = run.deps;
  const { ref, key } = change;
  return retryConflicts(run.deps, async () => {
    const live = await port.get(ref, signal);
    const there = live !== undefined && stringMapAt(live, "data")[key] !== undefined;
    if (there && !isMarked(live, key)) return "kept";
    const after = there ? await port.patch(ref, withVersion(releasePatch(key), live), { signal }) : live;
    const gone = change.deleteWhenEmpty === true && (await deleteEmpty(run, ref, after));
    if (gone && live !== undefined) return "deleted";
    return there ? "changed" : "unchanged";
  });
}

/** Deletes the map when it has no entry, unless somebody announced a module in this very moment. */
async function deleteEmpty(run: Run, ref: ObjectRef, live: KubeObject | undefined): Promise<boolean> {
  if (live !== undefined && Object.keys(stringMapAt(live, "data")).length > 0) return false;
  try {
    if (live !== undefined) await run.deps.port.delete(ref, { ...seenOf(live), signal: run.deps.signal });
  } catch (error) {
    if (error instanceof WasmeError && error.code === "KUBE_CONFLICT") return false;
    throw error;
  }
  run.goneCaches.add(`${ref.namespace ?? ""}/${ref.name}`);
  return true;
}

/** Credentials of one image; the Secret is made with the first and goes with the last. */
async function applySecret(run: Run, change: SecretChange): Promise<OutcomeWord> {
  const { port, signal } = run.deps;
  const { ref, key, value } = change;
  return retryConflicts(run.deps, async () => {
    const live = await port.get(ref, signal);
    const data = live === undefined ? {} : stringMapAt(live, "data");
    if ((data[key] ?? null) === value) return "unchanged";
    if (value !== null) run.written.add(key);
    if (live === undefined) return makeSecret(run, change);
    if (value !== null || Object.keys(data).length > 1) {
      await port.patch(ref, withVersion({ data: { [key]: value } }, live), { signal });
      return "changed";
    }
    await port.delete(ref, { ...seenOf(live), signal });
    return "deleted";
  });
}

async function makeSecret(run: Run, { ref, key, value, labels }: SecretChange): Promise<OutcomeWord> {
  const { name, namespace = "" } = ref;
  const object = { apiVersion: "v1", kind: "Secret", metadata: { name, namespace, labels }, data: { [key]: value } };
  await run.deps.port.create(Kinds.secret, object, { signal: run.deps.signal }).catch(asConflict);
  return "created";
}

/** Only the object that was seen, in the version that was seen. */
function seenOf(live: KubeObject | undefined): { readonly uid?: string; readonly resourceVersion?: string } {
  const { uid, resourceVersion } = live?.metadata ?? {};
  return { ...(uid === undefined ? {} : { uid }), ...(resourceVersion === undefined ? {} : { resourceVersion }) };
}

/** Somebody else made the Secret first: look at it again. */
function asConflict(error: unknown): never {
  if (error instanceof WasmeError && error.code === "KUBE_ALREADY_EXISTS") {
    throw new WasmeError("failed", "KUBE_CONFLICT", error.message, { cause: error });
  }
  throw error;
}

/** Works the patch out anew from the workload as it is now; somebody may have written it since the plan. */
async function applyEdit(deps: ClusterDeps, change: EditChange): Promise<OutcomeWord> {
  const { port, signal } = deps;
  return retryConflicts(deps, async () => {
    const live = await port.get(change.ref, signal);
    if (live === undefined) {
      if (change.edit.direction === "unmount") return "unchanged";
      const { name, namespace } = change.ref;
      throw new WasmeError(
        "failed",
        "WORKLOAD_GONE",
        `${change.ref.kind.kind} ${namespace ?? ""}/${name} was deleted meanwhile`,
      );
    }
    const edit = await stillWanted(deps, live, change.edit);
    const { patch } = editWorkload(live, edit);
    if (patch === undefined) {
      const kept = editWorkload(live, change.edit).patch !== undefined;
      return kept ? "kept" : "unchanged";
    }
    await port.patch(change.ref, withVersion(patch, live), { signal });
    return "changed";
  });
}

/** The edit without volumes that a filter deployed since the plan reads its module through. */
async function stillWanted(deps: ClusterDeps, live: KubeObject, edit: WorkloadEdit): Promise<WorkloadEdit> {
  if (edit.direction === "mount" || editWorkload(live, edit).patch === undefined) return edit;
  const found = await readFilterObjects(deps, await servedVias(deps), live.metadata.namespace);
  const workload = { kind: live.kind, name: live.metadata.name };
  const users = oursAmong(found).filter(({ object }) => isFor(object, workload));
  const needed = new Set(users.map(({ object }) => volumeOf(object)));
  return { ...edit, names: edit.names.filter((name) => !needed.has(name)) };
}

/** Somebody may have written the object since the plan, or done the same; one that is gone needs nothing. */
async function applyTouch(deps: ClusterDeps, change: TouchChange): Promise<OutcomeWord> {
  const { port, signal } = deps;
  return retryConflicts(deps, async () => {
    const live = await port.get(change.ref, signal);
    const patch = live === undefined ? undefined : change.touch(live);
    if (live === undefined || patch === undefined) return "unchanged";
    await port.patch(change.ref, withVersion(patch, live), { signal });
    // What only changes who owns a field is planned as no change.
    return change.action === "unchanged" ? "unchanged" : "changed";
  });
}

async function applyDelete(run: Run, change: DeleteChange): Promise<OutcomeWord> {
  if (change.onlyWithCache !== undefined && !run.goneCaches.has(change.onlyWithCache)) return "kept";
  const uid = change.before?.metadata.uid;
  const deleted = await run.deps.port.delete(change.ref, {
    ...(uid === undefined ? {} : { uid }),
    signal: run.deps.signal,
  });
  return deleted ? "deleted" : "unchanged";
}
