import type { CaseResult, Failure } from "./case-result.ts";
import { CaseRun } from "./case-run.ts";
import type { ModuleCache } from "./module-cache.ts";
import type { PlannedCase } from "./planned-case.ts";
import type { LogEntry } from "../../host/environment.ts";
import type { TraceEvent } from "../../host/trace.ts";
import { traceAround } from "./trace-around.ts";

/** What running cases needs. */
export interface CaseSetting {
  readonly modules: ModuleCache;
  readonly heartbeat?: Int32Array | undefined;
  /** Told of everything at once, for a case that is not expected to return. */
  readonly live?: ((event: { readonly log: LogEntry } | { readonly trace: TraceEvent }) => void) | undefined;
}

/** Runs one case in a fresh host. A case that fails is run again, the same in every step, with every call written down. */
export async function runCase(planned: PlannedCase, setting: CaseSetting): Promise<CaseResult> {
  const started = performance.now();
  const first = await new CaseRun(planned, setting, setting.live !== undefined).run();
  const failed = first.failures.length > 0;
  const shown = failed && setting.live === undefined ? await new CaseRun(planned, setting, true).run() : first;
  const status = first.error ? "error" : failed ? "failed" : "passed";
  return {
    ...identity(planned),
    status,
    failures: first.failures,
    logs: shown.logs,
    reports: first.reports,
    trace: failed ? traceAround(shown.trace) : [],
    durationMs: performance.now() - started,
    ...(first.measured === undefined ? {} : { measured: first.measured }),
  };
}

/** A result made without running: for a case that was skipped or whose thread is gone. */
export function unrunResult(
  planned: PlannedCase,
  status: CaseResult["status"],
  failures: readonly Failure[],
): CaseResult {
  return { ...identity(planned), status, failures, logs: [], reports: [], trace: [], durationMs: 0 };
}

function identity({ file, line, name }: PlannedCase): Pick<CaseResult, "file" | "line" | "name"> {
  return { file, line, name };
}
