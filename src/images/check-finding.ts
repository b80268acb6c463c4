import type { ModuleReport } from "../wasm/module-report.ts";

/** Something a check found out that is no matter of hosts. JSON-safe. */
export interface CheckFinding {
  readonly code: string;
  /** `error`: the filter will not run like this. `warning`: it will, and something is likely wrong. */
  readonly severity: "error" | "warning";
  /** One sentence without a full stop. */
  readonly message: string;
  /** What to do. */
  readonly hint?: string;
}

/** What is known of how the filter will be run. */
export interface FindingContext {
  readonly report: ModuleReport;
  /** The plugin configuration it is to be run with; `undefined` when that is not known yet, and none was handed over. */
  readonly config: string | undefined;
  readonly rootId: string;
  /** Root ids the image names. */
  readonly rootIds: readonly string[];
}

/** A finding but for its weight. */
export type Told = Pick<CheckFinding, "code" | "message" | "hint">;

/** From a clause that continues "the module …". */
export function moduleFinding(severity: CheckFinding["severity"], told: Told): CheckFinding {
  return { ...told, severity, message: `the module ${told.message}` };
}

/** The first line of what was logged or said; Envoy's words go on with a backtrace. */
export function firstLine(text: string): string {
  return text.trim().split("\n", 1)[0]?.trim() ?? "";
}
