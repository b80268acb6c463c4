import type { Json } from "../../domain/json.ts";
import type { HostReport } from "../../host/host-report.ts";
import type { LogEntry } from "../../host/environment.ts";
import type { TraceEvent } from "../../host/trace.ts";

/** One expectation that was not met. */
export interface Failure {
  /** Where in the test file: `tests[2].expect.response.status`. */
  readonly path: string;
  /** One sentence: `status is 403, expected 200`. */
  readonly message: string;
  readonly expected: string | undefined;
  readonly actual: string | undefined;
  /** The same place, step by step, and what `--update` writes there; absent where nothing can be written. */
  readonly at?: readonly (string | number)[];
  readonly replacement?: Json;
}

/** How one case of a test file ended; what every reporter prints. JSON-safe but for big integers in traces. */
export interface CaseResult {
  /** Path of the test file as the user named it. */
  readonly file: string;
  readonly line: number | undefined;
  readonly name: string;
  /** `error`: the case could not be run (module refused, bad file), which is not the same as a failed expectation. */
  readonly status: "passed" | "failed" | "error" | "skipped";
  readonly failures: readonly Failure[];
  readonly logs: readonly LogEntry[];
  readonly reports: readonly HostReport[];
  /** The calls around the first one that was not answered Ok; only of cases that failed. */
  readonly trace: readonly TraceEvent[];
  /** Milliseconds of real time. */
  readonly durationMs: number;
  /** Figures of a case that measures. */
  readonly measured?: Readonly<Record<string, number>>;
}

/** All cases of one run. */
export interface TestReport {
  readonly results: readonly CaseResult[];
  readonly durationMs: number;
}
