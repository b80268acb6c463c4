import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseDocument, stringify } from "yaml";
import { readPlainYaml } from "../../src/sandbox/test/plain-yaml.ts";

const page = readFileSync(new URL("../../docs/reference/test-files.md", import.meta.url), "utf8");
const examples = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gmu)].map(([, text = ""]) => text);
const template = readFileSync(new URL("../../templates/_shared/add-header/filter.test.yaml", import.meta.url), "utf8");

/** Whatever is read the plain way means the same to the library, to the last number and line. True when it was read. */
function agrees(text: string): boolean {
  const plain = readPlainYaml(text, "tests");
  if (plain === undefined) return false;
  const document = parseDocument(text, { merge: true });
  expect(document.errors, text).toEqual([]);
  expect(plain.value, text).toEqual(document.toJS());
  return true;
}

describe("the reader of plain YAML", () => {
  test("reads what test files are mostly written in", () => {
    expect(agrees(template)).toBe(true);
    const read = examples.filter((text) => agrees(text));
    expect(read.length).toBeGreaterThan(examples.length - 4);
    const text =
      "tests:\n  - name: a # b\n    n: 1.0\n\n  -   name: 'it''s'\n      t: true\nother: {a: [1, \"x\\n\"], b: c d}\nraw: |\n  one\n    # two\n\n  three\n";
    const plain = readPlainYaml(text, "tests");
    expect(plain?.value).toEqual({
      tests: [
        { name: "a", n: 1 },
        { name: "it's", t: true },
      ],
      other: { a: [1, "x\n"], b: "c d" },
      raw: "one\n  # two\n\nthree\n",
    });
    expect(plain?.lines).toEqual([2, 5]);
    expect(plain?.written(["tests", 0, "n"])).toBe("1.0");
    expect(agrees(text)).toBe(true);
  });

  test("agrees with the library on whatever is written", () => {
    const word = fc.stringMatching(/^[a-z][a-z0-9 .:#'-]{0,8}$/u);
    const { value } = fc.letrec<{ value: Record<string, unknown>; map: unknown }>((tie) => ({
      value: fc.dictionary(fc.oneof(word, fc.string({ unit: "binary" })), tie("map"), { maxKeys: 3 }),
      map: fc.oneof({ maxDepth: 3 }, word, fc.jsonValue(), fc.dictionary(word, tie("map")), fc.array(tie("map"))),
    }));
    const style = fc.record({
      collectionStyle: fc.constantFrom("any", "block", "flow"),
      indentSeq: fc.boolean(),
      lineWidth: fc.constantFrom(0, 40),
      singleQuote: fc.boolean(),
      blockQuote: fc.boolean(),
    } as const);
    let read = 0;
    fc.assert(
      fc.property(value, style, (map, options) => {
        if (agrees(stringify(map, options))) read += 1;
      }),
      { numRuns: 500 },
    );
    expect(read).toBeGreaterThan(20);
  });

  test("agrees with the library on text that somebody has broken", () => {
    const piece = fc.constantFrom(
      ...Array.from("-:,#{}[]'\"|>&*!?%@`~. \n1a\\<=+_/"),
      "  ",
      ": ",
      "- ",
      " #",
      "\n  ",
      "\n    ",
      "0x1f",
      "1e3",
      ".inf",
      "null",
      "True",
      "|-\n",
      "? ",
      "<<: ",
      "''",
      "-1",
      "012",
      "1_000",
      "...",
      "---\n",
    );
    const edit = fc.record({ at: fc.nat(), remove: fc.nat(4), insert: fc.array(piece, { maxLength: 3 }) });
    const source = fc.constantFrom(template, ...examples);
    let read = 0;
    fc.assert(
      fc.property(source, fc.array(edit, { minLength: 1, maxLength: 4 }), (text, edits) => {
        let broken = text;
        for (const { at, remove, insert } of edits) {
          const place = at % (broken.length + 1);
          broken = broken.slice(0, place) + insert.join("") + broken.slice(place + remove);
        }
        if (agrees(broken)) read += 1;
      }),
      { numRuns: 5000 },
    );
    expect(read).toBeGreaterThan(500);
  });
});
