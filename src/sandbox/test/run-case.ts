import type { CaseResult } from "./case-result.ts";
import { runOnce } from "./case-run.ts";
import type { CaseSetting } from "./case-world.ts";
import type { PlannedCase } from "./planned-case.ts";
import { traceAround } from "./trace-around.ts";

/** Runs one case in a fresh host. A case that fails is run again, the same in every step, with every call written down. */
export async function runCase(planned: PlannedCase, setting: CaseSetting): Promise<CaseResult> {
  const started = performance.now();
  const first = runOnce(planned, setting, setting.live !== undefined);
  const failed = first.failures.length > 0;
  const shown = failed && setting.live === undefined ? runOnce(planned, setting, true) : first;
  const result: CaseResult = {
    file: planned.file,
    line: planned.line,
    name: planned.name,
    status: first.error ? "error" : failed ? "failed" : "passed",
    failures: first.failures,
    logs: first.logs,
    reports: first.reports,
    trace: failed ? traceAround(shown.trace) : [],
    durationMs: performance.now() - started,
  };
  if (failed || planned.test.bench === undefined) return result;
  const { measureCase } = await import("./measure-case.ts");
  return await measureCase(planned, setting, result);
}
