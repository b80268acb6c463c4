import type { CaseResult, TestReport } from "./case-result.ts";

/** A run as data: counts, and every case with what is JSON-safe. */
export interface JsonReport {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly durationMs: number;
  readonly cases: readonly JsonCase[];
}

/** One case of a {@link JsonReport}. */
export interface JsonCase {
  readonly file: string;
  readonly line?: number;
  readonly name: string;
  readonly status: CaseResult["status"];
  readonly durationMs: number;
  readonly failures: readonly {
    readonly path: string;
    readonly message: string;
    readonly expected?: string;
    readonly actual?: string;
  }[];
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  readonly logs: readonly { readonly level: string; readonly source: string; readonly text: string }[];
  readonly measured?: Readonly<Record<string, number>>;
}

/** Makes the JSON form of a run. The traces are for people and are left out. */
export function jsonReport({ results, durationMs }: TestReport): JsonReport {
  const count = (...statuses: CaseResult["status"][]): number =>
    results.filter(({ status }) => statuses.includes(status)).length;
  return {
    passed: count("passed"),
    failed: count("failed", "error"),
    skipped: count("skipped"),
    durationMs: Math.round(durationMs),
    cases: results.map((result) => ({
      file: result.file,
      ...(result.line === undefined ? {} : { line: result.line }),
      name: result.name,
      status: result.status,
      durationMs: Number(result.durationMs.toFixed(1)),
      failures: result.failures.map(({ path, message, expected, actual }) => ({
        path,
        message,
        ...(expected === undefined ? {} : { expected }),
        ...(actual === undefined ? {} : { actual }),
      })),
      warnings: result.reports.map(({ code, message }) => ({ code, message })),
      logs: result.logs.map(({ level, source, text }) => ({ level, source, text })),
      ...(result.measured === undefined ? {} : { measured: result.measured }),
    })),
  };
}
