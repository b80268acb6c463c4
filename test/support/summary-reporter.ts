import { relative } from "node:path";
import type { Reporter, TestCase, TestModule } from "vitest/node";

/**
 * Ends a run with one line that is easy to read for people and scripts: `412 passed, 0 failed, 3 skipped`. Before it,
 * every test that failed once and passed on its second try is named: it counts as passed, and is a bug to mend.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    const flaky: string[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        counts[test.result().state] += 1;
        if (test.diagnostic()?.flaky === true) flaky.push(nameOf(test));
      }
      if (module.errors().length > 0) counts.failed += 1;
    }
    const named = flaky.map((name) => `  ${name}\n`).join("");
    if (flaky.length > 0) process.stdout.write(`\n${flaky.length} passed on the second try:\n${named}`);
    process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  }
}

/** `test/unit/a.test.ts > what it is about > what it says`, and why its first try failed: of a property its seed, too. */
function nameOf(test: TestCase): string {
  const { root } = test.project.config;
  const name = `${relative(root, test.module.moduleId)} > ${test.fullName}`;
  const why = test.result().errors?.[0]?.message.split("\n", 2).join(" ");
  return why === undefined ? name : `${name}: ${why}`;
}
