import { resolve } from "node:path";
import { usageError } from "../../domain/errors.ts";
import type { ProfileName } from "../../host/profile.ts";
import { readTextFile } from "../../platform/read-file.ts";
import type { CaseResult, TestReport } from "./case-result.ts";
import { CaseRunner } from "./case-runner.ts";
import { findTestFiles } from "./find-test-files.ts";
import { parseTestFile, type ParsedTestFile, MAX_TEST_FILE } from "./parse-test-file.ts";
import { type FindModule, planCases, type TestModule, type WantedModule } from "./plan-cases.ts";
import type { PlannedCase } from "./planned-case.ts";

/** What running tests needs of the outside. */
export interface RunTestsDeps {
  readonly cwd: string;
  readonly signal: AbortSignal;
  readonly find: FindModule;
}

/** Which tests to run, and how. */
export interface RunTestsRequest {
  /** Files and folders; none is the working directory. */
  readonly paths: readonly string[];
  /** Test files that are values already; with them, no paths mean no files. */
  readonly values?: readonly ParsedTestFile[];
  readonly module?: WantedModule | undefined;
  /** Plugin configuration for the files of Google's tester, instead of the one they name. */
  readonly config?: string | undefined;
  readonly profile?: ProfileName | undefined;
  /** Only tests whose name this is found in. */
  readonly name?: RegExp | undefined;
  readonly strict: boolean;
  readonly strictBudgets: boolean;
  /** Stops after the first case that does not pass. */
  readonly bail: boolean;
  /** Milliseconds one call into the filter may take; default 1000. */
  readonly timeoutMs?: number | undefined;
}

/** What was run, and what it was made of. */
export interface TestRun {
  readonly report: TestReport;
  /** The test files that are wasme's own, as they were read. */
  readonly files: readonly ParsedTestFile[];
  /** Everything that a change of is worth another run, absolute. */
  readonly sources: readonly string[];
}

/**
 * Runs test files. All are read and all modules found before the first test begins. Throws `TEST_FILE_INVALID`,
 * `TEST_FILE_NOT_FOUND`, `TEST_NAME_UNMATCHED` (usage), and what finding a module throws; what a filter does is a result.
 */
export async function runTests(
  deps: RunTestsDeps,
  request: RunTestsRequest,
  onResult: (result: CaseResult) => void = () => undefined,
): Promise<TestRun> {
  const started = performance.now();
  const { values = [], timeoutMs = 1000 } = request;
  // The thread gets ready while files are found and read and modules built.
  const runner = new CaseRunner(timeoutMs);
  const results: CaseResult[] = [];
  const tell = (result: CaseResult): void => {
    results.push(result);
    onResult(result);
  };
  const over = (): boolean => request.bail && results.some(isBad);
  try {
    const paths = values.length > 0 && request.paths.length === 0 ? [] : await findTestFiles(deps.cwd, request.paths);
    const found = new Map<string, Promise<TestModule>>();
    const once = { ...deps, find: findOnce(deps.find, found) };
    const { own, google } = await readFiles(deps, paths);
    const { chosen, modules } = await plan(once, [...values, ...own], request, { found, others: google.length > 0 });
    runner.use(new Map(modules.map(({ key, bytes }) => [key, bytes])));
    for (const { planned, skipped } of chosen) {
      deps.signal.throwIfAborted();
      if (!over()) tell(skipped ? skippedResult(planned) : await runner.run(planned));
    }
    for (const file of google) if (!over()) await file.run({ ...request, find: once.find }, tell);
    const sources = [...paths.map((path) => resolve(deps.cwd, path)), ...modules.flatMap((module) => module.sources)];
    return { report: { results, durationMs: performance.now() - started }, files: own, sources };
  } finally {
    void runner.stop();
  }
}

/** Each module is found, or built, once. */
function findOnce(find: FindModule, found: Map<string, Promise<TestModule>>): FindModule {
  return async (wanted) => {
    const key = JSON.stringify(wanted.path ?? wanted.image ?? [wanted.folder]);
    const known = found.get(key) ?? find(wanted);
    found.set(key, known);
    return await known;
  };
}

interface Chosen {
  readonly planned: PlannedCase;
  readonly skipped: boolean;
}

async function plan(
  { cwd, find }: RunTestsDeps,
  files: readonly ParsedTestFile[],
  { name, ...request }: RunTestsRequest,
  { found, others }: { readonly found: ReadonlyMap<string, Promise<TestModule>>; readonly others: boolean },
): Promise<{ readonly chosen: readonly Chosen[]; readonly modules: readonly TestModule[] }> {
  const cases: PlannedCase[] = [];
  for (const file of files) for (const one of await planCases(file, { ...request, cwd, find })) cases.push(one);
  return { chosen: selected(cases, name, others), modules: await Promise.all(found.values()) };
}

interface GoogleRun {
  run(request: RunTestsRequest & { readonly find: FindModule }, tell: (result: CaseResult) => void): Promise<void>;
}

async function readFiles(
  { cwd }: RunTestsDeps,
  paths: readonly string[],
): Promise<{ readonly own: readonly ParsedTestFile[]; readonly google: readonly GoogleRun[] }> {
  const own: ParsedTestFile[] = [];
  const google: GoogleRun[] = [];
  for (const path of paths) {
    const text = await readTextFile(path, { cwd, what: "test file", limit: MAX_TEST_FILE });
    if (MAYBE_GOOGLE.test(path) || MAYBE_GOOGLE_TEXT.test(text)) {
      const { googleRun } = await import("./google-run.ts");
      const run = await googleRun(text, path, cwd);
      if (run !== undefined) {
        google.push(run);
        continue;
      }
    }
    own.push(await parseTestFile(text, path));
  }
  return { own, google };
}

const MAYBE_GOOGLE = /\.(?:textpb|textproto|txtpb|pbtxt)$/iu;
const MAYBE_GOOGLE_TEXT = /(?:request|response)_(?:headers|body)|(?:plugin|stream)_init|stream_destroy/u;

function selected(cases: readonly PlannedCase[], name: RegExp | undefined, others: boolean): readonly Chosen[] {
  const named = name === undefined ? cases : cases.filter((planned) => name.test(planned.name));
  if (name !== undefined && named.length === 0 && !others) {
    throw usageError("TEST_NAME_UNMATCHED", `no test has a name that matches ${name.source}`, {
      hint: `there are ${cases.length} tests, like ${JSON.stringify(cases[0]?.name ?? "")}`,
    });
  }
  const withOnly = new Set(cases.filter(({ test }) => test.only === true).map(({ file }) => file));
  return named.map((planned) => {
    const { skip, only } = planned.test;
    return { planned, skipped: (skip ?? false) !== false || (withOnly.has(planned.file) && only !== true) };
  });
}

function skippedResult({ file, line, name }: PlannedCase): CaseResult {
  return { file, line, name, status: "skipped", failures: [], logs: [], reports: [], trace: [], durationMs: 0 };
}

/** A result that makes the run fail. */
export function isBad({ status }: CaseResult): boolean {
  return status === "failed" || status === "error";
}
