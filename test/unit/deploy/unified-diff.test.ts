import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { unifiedDiff } from "../../../src/deploy/unified-diff.ts";

const NAMES = { before: "a", after: "b" };

describe("unifiedDiff", () => {
  it("is empty for equal texts", () => {
    expect(unifiedDiff("x\n", "x\n", NAMES)).toBe("");
  });

  it("shows changes with three lines around them, in hunks", () => {
    const before = Array.from({ length: 20 }, (_, index) => `line ${index + 1}`);
    const after = before.with(1, "second").toSpliced(18, 1);
    expect(unifiedDiff(before.join("\n"), after.join("\n"), NAMES)).toMatchInlineSnapshot(`
      "--- a
      +++ b
      @@ -1,5 +1,5 @@
       line 1
      -line 2
      +second
       line 3
       line 4
       line 5
      @@ -16,5 +16,4 @@
       line 16
       line 17
       line 18
      -line 19
       line 20"
    `);
  });

  it("shows a text that comes or goes whole", () => {
    expect(unifiedDiff("", "one\ntwo\n", NAMES)).toBe("--- a\n+++ b\n@@ -0,0 +1,2 @@\n+one\n+two");
    expect(unifiedDiff("one\n", "", NAMES)).toBe("--- a\n+++ b\n@@ -1,1 +0,0 @@\n-one");
  });

  it("always holds what is needed to make one text of the other", () => {
    const text = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 30 });
    fc.assert(
      fc.property(text, text, (before, after) => {
        const diff = unifiedDiff(before.join("\n"), after.join("\n"), NAMES);
        expect(patched(before, diff)).toEqual(after);
      }),
    );
  });
});

/** Applies a diff the way patch does: by the line numbers of its hunks. */
function patched(before: readonly string[], diff: string): readonly string[] {
  const result: string[] = [];
  let at = 0;
  for (const line of diff === "" ? [] : diff.split("\n").slice(2)) {
    const hunk = /^@@ -(\d+),(\d+) /u.exec(line);
    if (hunk !== null) {
      const start = Number(hunk[1]) - (hunk[2] === "0" ? 0 : 1);
      result.push(...before.slice(at, start));
      at = start;
    } else if (line.startsWith("+")) {
      result.push(line.slice(1));
    } else {
      if (before[at] !== line.slice(1))
        throw new Error(`the diff says ${line}, the text says ${before[at] ?? "nothing"}`);
      if (line.startsWith(" ")) result.push(line.slice(1));
      at += 1;
    }
  }
  return [...result, ...before.slice(at)];
}
