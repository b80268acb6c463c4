import { appendFile } from "node:fs/promises";
import { resolve } from "node:path";
import { usageError } from "../../../domain/errors.ts";
import type { HostModule } from "../../../host/host-module.ts";
import { loadModule } from "../../../host/load-module.ts";
import { ModuleRefused } from "../../../host/module-refused.ts";
import { MAX_MODULE } from "../../../wasm/check-module.ts";
import type { CaseResult } from "../case-result.ts";
import { readEnvFile, readNamedFiles } from "./google-files.ts";
import { GoogleRunner } from "./google-runner.ts";
import type { GoogleTestFile } from "./read-google-tests.ts";
import type { GoogleSuite, GoogleTest } from "./runner-schema.ts";

/** How the tests of a file are run. */
export interface GoogleRunOptions {
  /** Where relative paths start: the test file's own and those of its `env` block. */
  readonly cwd: string;
  /** The module, instead of the one `env.wasm_path` names; the tester's `--plugin`. */
  readonly module?: Uint8Array | undefined;
  /** The plugin configuration, instead of the file `env.config_path` names; the tester's `--config`. */
  readonly configuration?: Uint8Array | undefined;
  /** Tests to run, by name; the others are skipped. Default all. */
  readonly select?: ((name: string) => boolean) | undefined;
  /** Milliseconds one callback may take before the test is given up; default 1000. */
  readonly hardLimitMs?: number | undefined;
  /** Told as soon as a test is over. */
  readonly onResult?: ((result: CaseResult) => void) | undefined;
}

/**
 * Runs the tests of one file as Google's plugin tester does, each in a VM of its own, in a thread that a filter cannot hang.
 * Throws `TEST_MODULE_MISSING`, `FILE_UNREADABLE` and `FILE_TOO_LARGE` (usage). A module that is refused makes every test
 * an error.
 */
export async function runGoogleTests(file: GoogleTestFile, options: GoogleRunOptions): Promise<readonly CaseResult[]> {
  const testFile = resolve(options.cwd, file.path);
  const bytes = options.module ?? (await readModule(file, testFile, options.cwd));
  const configuration = options.configuration ?? (await readConfiguration(file, testFile, options.cwd));
  const module = load(bytes);
  if ("refused" in module) return file.suite.test.map((test) => told(errorResult(file, test, module.refused), options));
  const files = await readNamedFiles(file.suite, testFile);
  const runner = new GoogleRunner({ module, configuration, suite: file.suite, files }, options.hardLimitMs);
  const results: CaseResult[] = [];
  try {
    for (const [index, test] of file.suite.test.entries()) {
      const isSelected = options.select?.(test.name ?? "") ?? true;
      const outcome = isSelected ? await runner.run(index) : SKIPPED;
      const result = { ...resultOf(file, test), ...outcome };
      if (isSelected) await writeLog(file.suite, result, options.cwd);
      results.push(told(result, options));
    }
  } finally {
    await runner.stop();
  }
  return results;
}

const SKIPPED = { status: "skipped" } as const;

function told(result: CaseResult, { onResult }: GoogleRunOptions): CaseResult {
  onResult?.(result);
  return result;
}

async function readModule(file: GoogleTestFile, testFile: string, cwd: string): Promise<Uint8Array> {
  const { wasmPath = "" } = file.suite.env ?? {};
  if (wasmPath !== "")
    return await readEnvFile({ field: "wasm_path", path: wasmPath, cwd, testFile, limit: MAX_MODULE });
  throw usageError("TEST_MODULE_MISSING", `${file.path} names no module to test`, {
    hint: 'name the compiled filter: --module FILE.wasm, or env { wasm_path: "FILE.wasm" } in the file',
  });
}

async function readConfiguration(file: GoogleTestFile, testFile: string, cwd: string): Promise<Uint8Array> {
  const { configPath = "" } = file.suite.env ?? {};
  if (configPath === "") return new Uint8Array(0);
  return await readEnvFile({ field: "config_path", path: configPath, cwd, testFile, limit: MAX_CONFIG });
}

function load(bytes: Uint8Array): HostModule | { readonly refused: string } {
  try {
    return loadModule(bytes, { profile: "google-tester" });
  } catch (error) {
    if (error instanceof ModuleRefused) return { refused: error.message };
    throw error;
  }
}

/** Bytes a plugin configuration may have. */
const MAX_CONFIG = 16 * 1024 * 1024;

function resultOf(file: GoogleTestFile, test: GoogleTest): CaseResult {
  return {
    file: file.path,
    line: file.lines.get(test),
    name: test.name ?? "",
    status: "passed",
    failures: [],
    logs: [],
    reports: [],
    trace: [],
    durationMs: 0,
  };
}

function errorResult(file: GoogleTestFile, test: GoogleTest, message: string): CaseResult {
  const failure = { path: "env.wasm_path", message, expected: undefined, actual: undefined };
  return { ...resultOf(file, test), status: "error", failures: [failure] };
}

/** `log_path` gets the filter's lines, framed as the tester frames them. Devices get nothing: the report has the lines. */
async function writeLog({ env }: GoogleSuite, result: CaseResult, cwd: string): Promise<void> {
  const { logPath = "" } = env ?? {};
  if (logPath === "" || logPath.startsWith("/dev/")) return;
  const lines = result.logs.filter(({ source }) => source !== "host").map(({ text }) => text);
  const framed = [`--- Starting test: ${result.name} ---`, ...lines, `--- Finished test: ${result.name} ---`];
  await appendFile(resolve(cwd, logPath), `${framed.join("\n")}\n`);
}
