import type { EventSink } from "../domain/events.ts";
import { WasmeError } from "../domain/errors.ts";
import { applyChange } from "./apply-change.ts";
import { applyMark } from "./apply-list.ts";
import { settleInParallel } from "./in-parallel.ts";
import { type ObjectOutcome, Outcomes, type OutcomeWord } from "./outcomes.ts";
import { type Change, changesOf, isWait, type Plan, refTitle, type Step, type Wait } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";
import { type Run, startRun } from "./run.ts";
import { waitOnce, waitThrough } from "./wait-step.ts";

/** How a plan is carried out. */
export interface ApplyOptions {
  /** Takes over fields that other field managers own. */
  readonly force: boolean;
  /** `block` sleeps in every wait. `stop` looks once: nothing after a wait that is not over is done. */
  readonly waits: "block" | "stop";
  /** What the same command takes besides to be gone on with: ` with --cache-namespace tools`. */
  readonly more?: string;
  /** What undoes it, for who stops it before its end: how a hint goes on after "or". */
  readonly undo?: string;
}

/** What was done of a plan. */
export interface ApplyResult {
  readonly outcomes: readonly ObjectOutcome[];
  /** The wait that is not over (`stop` only), and how far it is. The same plan again goes on from there. */
  readonly awaiting?: { readonly step: Wait; readonly message: string };
}

/**
 * Carries a plan out, step by step, and tells of each object as it is done; objects of one kind in a row are written
 * some at a time. Stops at the first failure: its error says in `details` what was done and what was not, and running
 * the same command again goes on from there.
 */
export async function applyPlan(
  deps: ClusterDeps,
  plan: Pick<Plan, "steps">,
  options: ApplyOptions,
): Promise<ApplyResult> {
  const run = startRun(deps, options.force);
  const done = new Done(deps.events);
  let left = [...plan.steps];
  while (left.length > 0) {
    const [step, ...more] = batchOf(left);
    if (step === undefined) break;
    let message: string | undefined;
    try {
      message = await carryOut(run, [step, ...more], { done, waits: options.waits });
    } catch (error) {
      const again = `run the same command again${options.more ?? ""}: it goes on from there`;
      const isTold = deps.signal?.aborted === true && options.waits === "block";
      const hint = isTold ? goOn(done, again, options.undo) : undefined;
      throw stopped(deps.events, error, { done, left: changesOf({ steps: left }), hint, again });
    }
    if (message !== undefined && isWait(step)) return { outcomes: done.outcomes, awaiting: { step, message } };
    const next = run.next.splice(0);
    left.splice(0, 1 + more.length);
    if (next.length > 0) left = [...next, ...left.filter((one) => !isForecast(one, next))];
  }
  return { outcomes: done.outcomes };
}

/** True for what the plan foresaw and a step has found out for itself since. */
function isForecast(step: Step, found: readonly Step[]): boolean {
  if (step.type !== "delete") return false;
  const title = refTitle(step.ref);
  return found.some((other) => other.type === "delete" && refTitle(other.ref) === title);
}

/** Carries out what may be done at once; gives how far a wait is that is not slept through. */
async function carryOut(
  run: Run,
  batch: readonly [Step, ...Step[]],
  how: { readonly done: Done; readonly waits: ApplyOptions["waits"] },
): Promise<string | undefined> {
  const [step] = batch;
  if (isWait(step)) {
    if (how.waits === "stop") return waitOnce(run, step);
    await waitThrough(run, step);
  } else if (step.type === "mark") await applyMark(run, step);
  else
    await applyBatch(
      run,
      batch.filter((one) => isChangeStep(one)),
      how.done,
    );
  return undefined;
}

function isChangeStep(step: Step): step is Change {
  return step.type !== "mark" && !isWait(step);
}

/** The next steps that may be done at once: changes of one sort to objects of one kind in one namespace. */
function batchOf(steps: readonly Step[]): readonly Step[] {
  const [first] = steps;
  if (first === undefined || !mayShare(first)) return steps.slice(0, 1);
  const end = steps.findIndex(
    (step) => !mayShare(step) || step.type !== first.type || step.ref.kind !== first.ref.kind,
  );
  return end === -1 ? steps : steps.slice(0, end);
}

/** Parts of a cache go one after the other, in their order. */
function mayShare(step: Step): step is Change {
  if (step.type === "delete") return step.onlyWithCache === undefined && step.onlyEmptied !== true;
  return step.type === "apply" || step.type === "edit";
}

async function applyBatch(run: Run, steps: readonly Change[], done: Done): Promise<void> {
  const { results, failure } = await settleInParallel(steps, async (step) => {
    const outcome = await applyChange(run, step);
    return { step, outcome };
  });
  for (const result of results) if (result !== undefined) done.add(result.value.step, result.value.outcome);
  if (failure !== undefined) throw failure.error;
}

/** What was done, and telling of it. */
class Done {
  readonly #events: EventSink;
  readonly #steps = new Set<Change>();
  readonly #outcomes = new Outcomes();

  constructor(events: EventSink) {
    this.#events = events;
  }

  get outcomes(): readonly ObjectOutcome[] {
    return this.#outcomes.list;
  }

  has(step: Change): boolean {
    return this.#steps.has(step);
  }

  add(step: Change, outcome: OutcomeWord): void {
    this.#steps.add(step);
    this.#outcomes.add({ ref: step.ref, outcome });
    if (outcome !== "unchanged") this.#events({ type: "milestone", message: `${refTitle(step.ref)} ${outcome}` });
  }
}

/** The error of a failed step, and a warning of what was done before it and what was left; also after Ctrl-C. */
function stopped(
  events: EventSink,
  error: unknown,
  steps: {
    readonly done: Done;
    readonly left: readonly Change[];
    readonly hint: string | undefined;
    readonly again: string;
  },
): unknown {
  const changed = steps.done.outcomes
    .filter(({ outcome }) => outcome !== "unchanged")
    .map(({ ref, outcome }) => `${refTitle(ref)} ${outcome}`);
  const undone = steps.left.filter((step) => step.action !== "unchanged" && !steps.done.has(step));
  // As in the plan: one object may be deleted and made anew, or written in several steps.
  const open = [...new Set(undone.map(({ action, ref }) => `${action} ${refTitle(ref)}`))];
  const report = changed.length === 0 ? "stopped before anything was changed" : `stopped; done: ${listed(changed)}`;
  const message = open.length === 0 ? report : `${report}; not done: ${listed(open)}`;
  events({ type: "warning", message, ...(steps.hint === undefined ? {} : { hint: steps.hint }) });
  if (!(error instanceof WasmeError)) return error;
  const hint = error.hint ?? steps.again;
  return new WasmeError(error.kind, error.code, error.message, {
    hint,
    details: { ...error.details, done: changed, notDone: open },
    cause: error.cause,
  });
}

/** After Ctrl-C no error is shown, and its hint neither: the warning has to say it. */
function goOn({ outcomes }: Done, again: string, undo: string | undefined): string {
  const isUntouched = outcomes.every(({ outcome }) => outcome === "unchanged");
  return undo === undefined || isUntouched ? again : `${again}; or ${undo}`;
}

/** So many objects are named in a warning; the error's details have all. */
const NAMED = 20;

function listed(names: readonly string[]): string {
  const more = names.length > NAMED ? [`${names.length - NAMED} more`] : [];
  return [...names.slice(0, NAMED), ...more].join(", ");
}
