import type { ObjectOutcome } from "../../../deploy/apply-plan.ts";
import type { Style } from "../../../platform/terminal.ts";

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
