import type { ObjectRef } from "../kube/port.ts";
import { type Action, changesOf, type Plan, refTitle } from "./plan.ts";

/** What became of an object; `kept` was to be deleted and is needed after all. */
export type OutcomeWord = "created" | "changed" | "unchanged" | "deleted" | "kept";

/** One object, and what became of it. */
export interface ObjectOutcome {
  readonly ref: ObjectRef;
  readonly outcome: OutcomeWord;
}

/** What became of objects, in order; an object written in several steps is listed once, a new one stays "created". */
export class Outcomes {
  readonly #byTitle = new Map<string, ObjectOutcome>();

  get list(): readonly ObjectOutcome[] {
    return [...this.#byTitle.values()];
  }

  add(added: ObjectOutcome): void {
    const title = refTitle(added.ref);
    const before = this.#byTitle.get(title)?.outcome;
    const stays = before !== undefined && (added.outcome === "unchanged" || isStillNew(before, added.outcome));
    if (!stays) this.#byTitle.set(title, added);
  }
}

function isStillNew(before: OutcomeWord, added: OutcomeWord): boolean {
  return before === "created" && added === "changed";
}

/** What the changes of a plan would do to each object. */
export function expectedOutcomes(plan: Pick<Plan, "steps">): readonly ObjectOutcome[] {
  const word: Readonly<Record<Action, OutcomeWord>> = {
    create: "created",
    update: "changed",
    delete: "deleted",
    unchanged: "unchanged",
  };
  const outcomes = new Outcomes();
  for (const { ref, action } of changesOf(plan)) outcomes.add({ ref, outcome: word[action] });
  return outcomes.list;
}
