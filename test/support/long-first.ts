import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Begins with the files that take long by their names, then with those that use real components: begun last, one of a
 * minute would leave the other workers with nothing to do. Within each group as vitest does, the largest first.
 */
export default class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- a method of vitest's, which gives a new array.
    const sorted = await super.sort(files);
    const group = ({ moduleId }: TestSpecification): number => groupOf(relative(this.ctx.config.root, moduleId));
    return sorted.toSorted((a, b) => group(a) - group(b));
  }
}

function groupOf(path: string): number {
  if (/\.(?:chaos|soak|matrix)\.test\.ts$/u.test(path)) return 0;
  return /^test\/(?:e2e|integration|differential|conformance)\//u.test(path) ? 1 : 2;
}
