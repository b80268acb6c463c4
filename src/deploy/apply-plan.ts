import type { EventSink } from "../domain/events.ts";
import { assertNever, WasmeError } from "../domain/errors.ts";
import { type KubeObject, stringMapAt } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import { cacheEntryPatch } from "../mesh/cache-objects.ts";
import { VIA_KIND } from "./choose-via.ts";
import { editWorkload } from "./edit-workload.ts";
import {
  type AnnounceChange,
  type Change,
  changesOf,
  type DeleteChange,
  type EditChange,
  isWait,
  type Plan,
  refTitle,
  type Step,
  type TouchChange,
  type Wait,
} from "./plan.ts";
import type { ClusterDeps } from "./request.ts";
import { type ObjectOutcome, type OutcomeWord, withOutcome } from "./outcomes.ts";
import { isFor, listOurEnvoyFilters } from "./our-objects.ts";
import { deniedAsUndefined } from "./require-access.ts";
import { retryConflicts } from "./retry-conflicts.ts";
import { withVersion } from "./settle-change.ts";
import { waitForModule } from "./wait-for-module.ts";
import { waitForObject } from "./wait-for-object.ts";
import { waitReady } from "./wait-ready.ts";

/** How a plan is carried out. */
export interface ApplyOptions {
  /** Takes over fields that other field managers own. */
  readonly force: boolean;
  /** `block` sleeps in every wait. `stop` looks once: nothing after a wait that is not over is done. */
  readonly waits: "block" | "stop";
}

/** What was done of a plan. */
export interface ApplyResult {
  readonly outcomes: readonly ObjectOutcome[];
  /** The wait that is not over (`stop` only), and how far it is. The same plan again goes on from there. */
  readonly awaiting?: { readonly step: Wait; readonly message: string };
}

/**
 * Carries a plan out, step by step, and tells of each object as it is done. Stops at the first failure: its error
 * says in `details` what was done and what was not, and running the same command again goes on from there.
 */
export async function applyPlan(
  deps: ClusterDeps,
  plan: Pick<Plan, "steps">,
  options: ApplyOptions,
): Promise<ApplyResult> {
  let outcomes: readonly ObjectOutcome[] = [];
  const run: Run = { deps, force: options.force, goneCaches: new Set() };
  for (const [index, step] of plan.steps.entries()) {
    try {
      const outcome = await applyStep(run, step);
      if (outcome === undefined || isWait(step)) continue;
      outcomes = withOutcome(outcomes, { ref: step.ref, outcome });
      if (outcome !== "unchanged") deps.events({ type: "milestone", message: `${refTitle(step.ref)} ${outcome}` });
    } catch (error) {
      throw stopped(deps.events, error, { done: outcomes, left: changesOf({ steps: plan.steps.slice(index) }) });
    }
  }
  return { outcomes };
}

interface Run {
  readonly deps: ClusterDeps;
  readonly force: boolean;
  /** Caches (`namespace/name`) whose ConfigMap was deleted in this run, so the rest of them may go. */
  readonly goneCaches: Set<string>;
}

async function applyStep(run: Run, step: Step): Promise<OutcomeWord | undefined> {
  const { deps } = run;
  switch (step.type) {
    case "wait-module":
      await waitForModule(deps, step);
      return undefined;
    case "wait-rollout":
      await waitReady(deps, step);
      return undefined;
    case "wait-object":
      await waitForObject(deps, step);
      return undefined;
    case "apply": {
      if (step.action === "unchanged") return "unchanged";
      await deps.port.apply(step.ref.kind, step.object, { force: run.force, signal: deps.signal });
      return step.action === "create" ? "created" : "changed";
    }
    case "announce":
      return applyAnnounce(run, step);
    case "edit":
      return applyEdit(deps, step);
    case "touch":
      return applyTouch(deps, step);
    case "delete":
      return applyDelete(run, step);
    default:
      return assertNever(step);
  }
}

/** The entry of one key in the cache's ConfigMap; other writers' keys are never touched. */
async function applyAnnounce(run: Run, change: AnnounceChange): Promise<OutcomeWord> {
  const { port, signal } = run.deps;
  const { ref, key, value } = change;
  const live = await port.get(ref, signal);
  const there = live === undefined ? undefined : stringMapAt(live, "data")[key];
  const differs = (there ?? null) !== value;
  const after = differs ? await port.patch(ref, cacheEntryPatch([{ key, value }]), { signal }) : live;
  if (change.deleteWhenEmpty === true && (await deleteEmpty(run, ref, after))) return "deleted";
  return differs ? "changed" : "unchanged";
}

/** Deletes the map when it has no entry, unless somebody announced a module in this very moment. */
async function deleteEmpty(run: Run, ref: ObjectRef, live: KubeObject | undefined): Promise<boolean> {
  if (live !== undefined && Object.keys(stringMapAt(live, "data")).length > 0) return false;
  const { uid, resourceVersion } = live?.metadata ?? {};
  const seen = { ...(uid === undefined ? {} : { uid }), ...(resourceVersion === undefined ? {} : { resourceVersion }) };
  try {
    if (live !== undefined) await run.deps.port.delete(ref, { ...seen, signal: run.deps.signal });
  } catch (error) {
    if (error instanceof WasmeError && error.code === "KUBE_CONFLICT") return false;
    throw error;
  }
  run.goneCaches.add(`${ref.namespace ?? ""}/${ref.name}`);
  return true;
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
    const { patch } = editWorkload(live, change.edit);
    if (patch === undefined) return "unchanged";
    if (change.edit.direction === "unmount" && (await isNeeded(deps, live))) return "kept";
    await port.patch(change.ref, withVersion(patch, live), { signal });
    return "changed";
  });
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

/** True when a filter was deployed to the workload since the plan, which reads its module through the mount. */
async function isNeeded(deps: ClusterDeps, live: KubeObject): Promise<boolean> {
  if (!(await deps.port.served(VIA_KIND.envoyfilter, deps.signal))) return false;
  const filters = await deniedAsUndefined(listOurEnvoyFilters(deps, live.metadata.namespace));
  return filters?.some((object) => isFor(object, { kind: live.kind, name: live.metadata.name })) === true;
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

/** The error of a failed step, and a warning of what was done before it and what was left; also after Ctrl-C. */
function stopped(
  events: EventSink,
  error: unknown,
  steps: { readonly done: readonly ObjectOutcome[]; readonly left: readonly Change[] },
): unknown {
  const changed = steps.done
    .filter(({ outcome }) => outcome !== "unchanged")
    .map(({ ref, outcome }) => `${refTitle(ref)} ${outcome}`);
  const open = steps.left.filter(({ action }) => action !== "unchanged").map(({ ref }) => refTitle(ref));
  const report = changed.length === 0 ? "stopped before anything was changed" : `stopped; done: ${changed.join(", ")}`;
  events({ type: "warning", message: open.length === 0 ? report : `${report}; not done: ${open.join(", ")}` });
  if (!(error instanceof WasmeError)) return error;
  const hint = error.hint ?? "run the same command again: it goes on from there";
  return new WasmeError(error.kind, error.code, error.message, {
    hint,
    details: { ...error.details, done: changed, notDone: open },
    cause: error.cause,
  });
}
