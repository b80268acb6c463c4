import type { ObjectOutcome } from "../../../deploy/outcomes.ts";
import type { Style } from "../../../platform/terminal.ts";

/** An outcome in JSON: which object, and what became of it. */
export interface OutcomeJson {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly outcome: string;
}

/** The outcomes as `-o json` shows them. */
export function outcomeJson(outcomes: readonly ObjectOutcome[]): readonly OutcomeJson[] {
  return outcomes.map(({ ref, outcome }) => {
    const { group, version, kind } = ref.kind;
    const place = ref.namespace === undefined ? {} : { namespace: ref.namespace };
    return { apiVersion: group === "" ? version : `${group}/${version}`, kind, ...place, name: ref.name, outcome };
  });
}

/** One line per object, as kubectl prints them: `envoyfilter/web-hello created`. */
export function outcomeLines(outcomes: readonly ObjectOutcome[], style: Style): string {
  return outcomes
    .map(({ ref, outcome }) => {
      const name = `${ref.kind.kind.toLowerCase()}/${ref.name}`;
      const where = ref.namespace === undefined ? "" : style.dim(` in ${ref.namespace}`);
      return `${name}${where} ${outcome === "unchanged" ? style.dim(outcome) : style.green(outcome)}`;
    })
    .join("\n");
}
