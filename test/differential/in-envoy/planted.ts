import { checkTestFile } from "../../../src/sandbox/test/parse-test-file.ts";
import { type CasesOutcome, runCases } from "./run-template.ts";
import { plannedCases } from "./template-cases.ts";

/** Runs tests that are written here with a template's module, once and without much patience; the tests' names are their places. */
export async function runPlanted(
  template: string,
  module: Uint8Array,
  { filter, tests }: { readonly filter?: object; readonly tests: readonly object[] },
): Promise<CasesOutcome["failed"]> {
  const named = tests.map((test, index) => ({ name: `test ${index}`, ...test }));
  const file = checkTestFile({ ...(filter === undefined ? {} : { filter }), tests: named }, "planted");
  const planned = await plannedCases(template, { path: "planted", file, lineOf: () => undefined });
  return (await runCases(planned, module, { rounds: 1, patienceMs: 2000 })).failed;
}
