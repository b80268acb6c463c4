import type { Failure } from "../test/case-result.ts";
import type { ReadBytes } from "../test/matchers.ts";
import type { Budget, TestCase } from "../test/model.ts";
import type { BenchFilter } from "./lane.ts";
import { BenchFailure } from "./lane.ts";
import { measureFilter, type MeasureResult } from "./measure-filter.ts";
import { shapeOfTest } from "./test-shape.ts";

/** A test with `bench`, and what it is run with. */
export interface MeasureCaseRequest extends BenchFilter {
  readonly test: TestCase;
  readonly readBytes: ReadBytes;
  /** Where the test stands: `tests[2]`. */
  readonly path: string;
  /** Absolute times fail too (`--strict-budgets`). */
  readonly strictBudgets: boolean;
  readonly heartbeat?: Int32Array | undefined;
}

/** What measuring a test came to. */
export interface MeasuredCase {
  readonly failures: readonly Failure[];
  readonly measured: Readonly<Record<string, number>>;
}

/** Measures the stream of a test in this thread and holds the figures against its budget. */
export function measureCase(request: MeasureCaseRequest): MeasuredCase {
  const { module, config, test, readBytes, heartbeat } = request;
  const { streams, budget = {} } = test.bench ?? {};
  const path = `${request.path}.bench`;
  try {
    const shape = shapeOfTest(test, readBytes);
    const now = (): number => performance.now();
    const result = measureFilter({ module, config, shape, streams, heartbeat, now });
    return checkBudget(result, budget, { path: `${path}.budget`, strictBudgets: request.strictBudgets });
  } catch (error) {
    if (!(error instanceof BenchFailure)) throw error;
    return { failures: [{ path, message: error.message, expected: undefined, actual: undefined }], measured: {} };
  }
}

/** Holds figures against a budget. Microseconds differ from machine to machine, so they fail only when that is asked for. */
export function checkBudget(
  result: MeasureResult,
  budget: Budget,
  { path, strictBudgets }: { readonly path: string; readonly strictBudgets: boolean },
): MeasuredCase {
  const measured: Required<Budget> = {
    timesEmpty: result.timesEmpty.median,
    hostCalls: result.hostCalls.perStream,
    memoryPerStream: result.memory.bytesPerStream,
    microseconds: result.perStream.median,
  };
  const failures = (Object.keys(measured) as (keyof Budget)[]).flatMap((name): Failure[] => {
    const limit = budget[name];
    const value = measured[name];
    if (limit === undefined || value <= limit || (name === "microseconds" && !strictBudgets)) return [];
    const actual = String(Number(value.toPrecision(3)));
    const message = `${WORDS[name]} is ${actual}, the budget is ${limit}`;
    return [{ path: `${path}.${name}`, message, expected: `at most ${limit}`, actual }];
  });
  return { failures, measured };
}

const WORDS: Readonly<Record<keyof Budget, string>> = {
  timesEmpty: "the time of a stream, in times that of an empty filter,",
  hostCalls: "the number of host calls a stream",
  memoryPerStream: "the memory that stays behind, in bytes a stream,",
  microseconds: "the time of a stream, in microseconds,",
};
