import type { ProfileName } from "../../host/profile.ts";
import type { TestReport } from "./case-result.ts";
import { libraryFinder } from "./library-finder.ts";
import type { TestFile } from "./model.ts";
import { checkTestFile } from "./parse-test-file.ts";
import { runTests } from "./run-tests.ts";

/** How a test file is run by a program. */
export interface RunTestFileOptions {
  /** Where paths start; default the working directory. */
  readonly cwd?: string;
  readonly profile?: ProfileName;
  /** Only tests whose name this is found in. */
  readonly name?: RegExp;
  readonly strict?: boolean;
  readonly strictBudgets?: boolean;
  readonly timeoutMs?: number;
}

/**
 * Runs one test file, or the same as a value: for programs and for test frameworks. What a filter does wrong is in the
 * report; throws `TEST_FILE_INVALID` for a file that is none, and what finding the module throws.
 */
export async function runTestFile(file: string | TestFile, options: RunTestFileOptions = {}): Promise<TestReport> {
  const { cwd = process.cwd(), profile, name, strict = false, strictBudgets = false, timeoutMs } = options;
  const values =
    typeof file === "string" ? [] : [{ path: "tests", file: checkTestFile(file, "tests"), lineOf: noLine }];
  const run = await runTests(
    { cwd, signal: new AbortController().signal, find: libraryFinder(cwd) },
    {
      paths: typeof file === "string" ? [file] : [],
      values,
      profile,
      name,
      strict,
      strictBudgets,
      timeoutMs,
      bail: false,
    },
  );
  return run.report;
}

function noLine(): undefined {
  return undefined;
}
