import { WasmeError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import type { CheckFinding } from "./check-finding.ts";

/** Throws `FILTER_UNFIT` (incompatible) for the first error among the findings; `where` names the image. */
export function refuseErrors(findings: readonly CheckFinding[], where: string): void {
  const first = findings.find(({ severity }) => severity === "error");
  if (first === undefined) return;
  throw new WasmeError("incompatible", "FILTER_UNFIT", `${where} will not run: ${first.message}`, {
    hint: first.hint ?? "wasme check tells more; --no-check deploys it all the same",
    details: { findings },
  });
}

/** Tells the warnings among the findings. */
export function tellWarnings(findings: readonly CheckFinding[], where: string, events: EventSink): void {
  for (const { severity, message, hint } of findings) {
    if (severity !== "warning") continue;
    events({ type: "warning", message: `${where}: ${message}`, ...(hint === undefined ? {} : { hint }) });
  }
}
