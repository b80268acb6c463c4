import type { CaseResult } from "./case-result.ts";
import { runOnce } from "./case-run.ts";
import type { CaseSetting } from "./case-world.ts";
import type { PlannedCase } from "./planned-case.ts";
import { filterConfig } from "./filter-config.ts";
import { traceAround } from "./trace-around.ts";
import { fileReader } from "./values.ts";

/** Runs one case in a fresh host. A case that fails is run again, the same in every step, with every call written down. */
export async function runCase(planned: PlannedCase, setting: CaseSetting): Promise<CaseResult> {
  const started = performance.now();
  const first = await runOnce(planned, setting, setting.live !== undefined);
  const failed = first.failures.length > 0;
  const shown = failed && setting.live === undefined ? await runOnce(planned, setting, true) : first;
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
  return failed || planned.test.bench === undefined ? result : await measured(planned, setting, result);
}

/** Measures the first filter with the request of a case that passed, and holds the figures against its budget. */
async function measured(planned: PlannedCase, setting: CaseSetting, result: CaseResult): Promise<CaseResult> {
  const { measureCase } = await import("../bench/measure-case.ts");
  const [filter] = planned.filters;
  if (filter === undefined) return result;
  const { test, strictBudgets } = planned;
  const readBytes = fileReader(planned.folder);
  const started = performance.now();
  const { failures, measured: figures } = measureCase({
    module: setting.modules.load(filter.module, planned.profile),
    config: filterConfig(filter, { readBytes, name: "filter" }),
    test,
    readBytes,
    path: `tests[${planned.index}]`,
    strictBudgets,
    heartbeat: setting.heartbeat,
  });
  const durationMs = result.durationMs + performance.now() - started;
  const status = failures.length > 0 ? "failed" : "passed";
  return { ...result, failures, status, durationMs, measured: figures };
}
