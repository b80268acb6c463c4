import type { ObjectRef } from "../kube/port.ts";
import { type Action, changesOf, type Plan, refTitle } from "./plan.ts";

/** What became of an object; `kept` was to be deleted and is needed after all. */
export type OutcomeWord = "created" | "changed" | "unchanged" | "deleted" | "kept";

/** One object, and what became of it. */
export interface ObjectOutcome {
  readonly ref: ObjectRef;
  readonly outcome: OutcomeWord;
}

/** Outcomes with one more; an object written in several steps is listed once, a new one stays "created". */
export function withOutcome(outcomes: readonly ObjectOutcome[], added: ObjectOutcome): readonly ObjectOutcome[] {
  const at = outcomes.findIndex(({ ref }) => refTitle(ref) === refTitle(added.ref));
  const before = outcomes[at];
  if (before === undefined) return [...outcomes, added];
  const stays = added.outcome === "unchanged" || (before.outcome === "created" && added.outcome === "changed");
  return stays ? outcomes : outcomes.with(at, added);
}

/** What the changes of a plan would do to each object. */
export function expectedOutcomes(plan: Pick<Plan, "steps">): readonly ObjectOutcome[] {
  const word: Readonly<Record<Action, OutcomeWord>> = {
    create: "created",
    update: "changed",
    delete: "deleted",
    unchanged: "unchanged",
  };
  const none: readonly ObjectOutcome[] = [];
  return changesOf(plan).reduce((list, { ref, action }) => withOutcome(list, { ref, outcome: word[action] }), none);
}
