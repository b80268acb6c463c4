import { assertNever, WasmeError } from "../domain/errors.ts";
import type { ResourceKind } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import { applyAnnounce, applyRelease } from "./apply-list.ts";
import { applyRemoval, isStillGone } from "./apply-removal.ts";
import { applySecret } from "./apply-secret.ts";
import { editWorkload, type WorkloadEdit } from "./edit-workload.ts";
import { cacheUseOf, deliveryOf, isFor, oursAmong, readFilterObjects, servedVias, volumeOf } from "./our-objects.ts";
import type { OutcomeWord } from "./outcomes.ts";
import type { ApplyChange, Change, DeleteChange, EditChange, TouchChange } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined } from "./require-access.ts";
import { retryConflicts } from "./retry-conflicts.ts";
import type { Run } from "./run.ts";
import { withVersion } from "./settle-change.ts";
import { VIA_KIND } from "./via-kind.ts";

/** Carries one change out, on the object as it is now. */
export async function applyChange(run: Run, change: Change): Promise<OutcomeWord> {
  const { deps } = run;
  switch (change.type) {
    case "apply":
      return applyObject(run, change);
    case "announce":
      return applyAnnounce(run, change);
    case "release":
      return applyRelease(run, change);
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

async function applyObject(run: Run, change: ApplyChange): Promise<OutcomeWord> {
  if (change.action === "unchanged" && (await isThere(run, change))) return "unchanged";
  const force = run.force || change.force === true;
  await run.deps.port.apply(change.ref.kind, change.object, { force, signal: run.deps.signal });
  noteLeft(run, change.before);
  return change.action === "update" ? "changed" : "created";
}

/** True unless an undeploy took the object away since the plan. Who answers from copies is told of that. */
async function isThere({ deps, there }: Run, { ref, before }: ApplyChange): Promise<boolean> {
  const { kind, namespace } = ref;
  if (namespace === undefined || deps.live !== undefined || !CARRIERS.has(kind)) return true;
  const title = `${kind.kind} ${namespace}`;
  const listed =
    there.get(title) ??
    deniedAsUndefined(deps.port.list({ kind, namespace, metadataOnly: true }, deps.signal)).then(
      (found) => found && new Set(found.items.map(({ metadata }) => metadata.uid)),
    );
  there.set(title, listed);
  return (await listed)?.has(before?.metadata.uid) !== false;
}

const CARRIERS: ReadonlySet<ResourceKind> = new Set(Object.values(VIA_KIND));

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
  if (change.onlyEmptied === true) return applyRemoval(run, change);
  if (change.onlyWithCache !== undefined && !(await isStillGone(run, change.onlyWithCache))) return "kept";
  const uid = change.before?.metadata.uid;
  const deleted = await run.deps.port.delete(change.ref, {
    ...(uid === undefined ? {} : { uid }),
    signal: run.deps.signal,
  });
  noteLeft(run, change.before);
  return deleted ? "deleted" : "unchanged";
}

/** Proxies that were told of `before` ask its cache until they are told of what was done now. */
function noteLeft({ leftCaches }: Run, before: KubeObject | undefined): void {
  const use = before && cacheUseOf(before);
  if (before !== undefined && use !== undefined && deliveryOf(before) === "cache-http") leftCaches.add(use.cache);
}
