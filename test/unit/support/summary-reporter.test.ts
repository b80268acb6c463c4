import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { tempDir } from "../../support/temp-dir.ts";

const VITEST = fileURLToPath(new URL("../../../node_modules/vitest/vitest.mjs", import.meta.url));
const REPORTER = fileURLToPath(new URL("../../support/summary-reporter.ts", import.meta.url));

/** Runs a test file with a second try for each test, as CI does. */
function run(source: string): { readonly status: number | null; readonly lines: readonly string[] } {
  const root = tempDir();
  writeFileSync(join(root, "sample.test.js"), source);
  const args = [VITEST, "run", "--root", root, "--globals", "--retry", "1", "--reporter", REPORTER];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  return { status, lines: stdout.trimEnd().split("\n") };
}

describe("the summary of a test run", () => {
  it("names each test that passed on its second try, and why the first one failed", () => {
    const { status, lines } = run(`
      let tries = 0;
      it("is steady", () => {});
      describe("a port", () => {
        it("is free", () => { tries += 1; if (tries === 1) throw new Error("in use\\nby another\\nsince long"); });
      });
      it.skip("is left out", () => {});
    `);
    expect(lines.slice(-4)).toEqual([
      "1 passed on the second try:",
      "  sample.test.js > a port > is free: in use by another",
      "",
      "2 passed, 0 failed, 1 skipped",
    ]);
    expect(status).toBe(0);
  });

  it("names none where all passed at once, and counts what failed twice as failed", () => {
    const { status, lines } = run(`
      it("is steady", () => {});
      it("is broken", () => { throw new Error("always"); });
    `);
    expect(lines.at(-1)).toBe("1 passed, 1 failed, 0 skipped");
    expect(lines.join("\n")).not.toContain("second try");
    expect(status).toBe(1);
  });
});
