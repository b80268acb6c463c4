import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { need } from "../components/require-component.ts";
import { fixture, type FixtureName } from "../components/wasm-fixtures.ts";
import type { CaseResult } from "../../src/sandbox/test/case-result.ts";
import { moduleFinder } from "../../src/sandbox/test/find-module.ts";
import { type RunTestsRequest, runTests, type TestRun } from "../../src/sandbox/test/run-tests.ts";
import { tempDir } from "../support/temp-dir.ts";
import { buildModule } from "../support/wasm-builder.ts";

/** A folder with a module and one test file. */
export interface TestFolder {
  readonly dir: string;
  run(request?: Partial<RunTestsRequest>): Promise<TestRun>;
}

/** Writes the module as `filter.wasm` and the text as `a.test.yaml`. */
export function testFolder(module: Uint8Array, yaml: string): TestFolder {
  const dir = tempDir();
  writeFileSync(join(dir, "filter.wasm"), module);
  writeFileSync(join(dir, "a.test.yaml"), yaml);
  const find = moduleFinder(
    async () => await Promise.reject(new Error("nothing is built here")),
    () => undefined,
  );
  const deps = { cwd: dir, signal: new AbortController().signal, find };
  const request = { paths: [], strict: false, strictBudgets: false, bail: false };
  return { dir, run: async (more = {}) => await runTests(deps, { ...request, ...more }) };
}

/** Runs tests against a fixture filter; `filter: {module: filter.wasm}` is added. */
export async function runWith(
  context: TestContext,
  name: FixtureName,
  tests: string,
  request: Partial<RunTestsRequest> = {},
): Promise<readonly CaseResult[]> {
  const module = await need(context, name, async () => await fixture(name));
  const run = await testFolder(module, `filter: {module: filter.wasm}\n${tests}`).run(request);
  return run.report.results;
}

/** What failed, in short: `name: message`, in order. */
export function failuresOf(results: readonly CaseResult[]): string[] {
  return results.flatMap(({ name, failures }) => failures.map(({ message }) => `${name}: ${message.split("\n")[0]}`));
}

/** A filter that does nothing but what the body of `proxy_on_request_headers` says (three numbers in, one out). */
export function rawFilter(onRequestHeaders: readonly number[]): Uint8Array {
  return buildModule({
    functions: [
      { export: "proxy_abi_version_0_2_1" },
      { export: "proxy_on_memory_allocate", params: "i", result: "i" },
      { export: "proxy_on_context_create", params: "ii" },
      { export: "proxy_on_request_headers", params: "iii", result: "i", body: onRequestHeaders },
    ],
  });
}

/** `loop; br 0; end; unreachable` */
export const ENDLESS: readonly number[] = [0x03, 0x40, 0x0c, 0x00, 0x0b, 0x00];
