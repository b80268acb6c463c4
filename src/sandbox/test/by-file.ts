import type { CaseResult } from "./case-result.ts";

/** The results of each test file, in the order the files were run. */
export function byFile(results: readonly CaseResult[]): Map<string, CaseResult[]> {
  const files = new Map<string, CaseResult[]>();
  for (const result of results) {
    const cases = files.get(result.file) ?? [];
    cases.push(result);
    files.set(result.file, cases);
  }
  return files;
}
