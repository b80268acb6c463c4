import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { component } from "../components/require-component.ts";
import { fixture } from "../components/wasm-fixtures.ts";
import { compilerFolder } from "./support/compile-filter.ts";
import { FilterDriver } from "./support/filter-driver.ts";

const found = await component("assemblyscript", compilerFolder);
const missing = "skip" in found ? found.skip : "";
let module: Uint8Array;

beforeAll(async () => {
  if (missing === "") module = await fixture("as-json");
});

/** What the filter makes of a configuration: its last log line, and whether it took it. */
function read(configuration: string, rootId = "reader"): { readonly accepted: boolean; readonly line: string } {
  const driver = new FilterDriver(module);
  const { accepted } = driver.configure({ rootId, configuration });
  return { accepted, line: driver.state.logs.at(-1)?.text ?? "" };
}

/** As the fixture shows a value. */
function show(value: unknown): string {
  if (typeof value === "string")
    return `<${[...Array(value.length).keys()].map((at) => value.charCodeAt(at)).join(",")}>`;
  if (Array.isArray(value)) return `[${value.map(show).join(" ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  return `{${Object.entries(value)
    .map(([name, inner]) => `${show(name)}:${show(inner)}`)
    .join(" ")}}`;
}

/** Whole numbers as JavaScript writes them. */
function plainNumbers(line: string): string {
  return line.replaceAll(/(?<=^|[ :[])(-?\d+)\.0(?=$|[ \]}])/gu, "$1");
}

describe.skipIf(missing !== "")(`the JSON reader of the AssemblyScript SDK${missing && `: ${missing}`}`, () => {
  it("reads what JSON.parse reads, to the last unit of every text", () => {
    const driver = new FilterDriver(module);
    const root = driver.configure({ rootId: "reader", configuration: "null" }).id;
    const leaf = fc.oneof(fc.string({ unit: "binary" }), fc.integer(), fc.boolean(), fc.constant(null));
    const value = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie("node")),
        fc.dictionary(fc.string(), tie("node"), { noNullPrototype: true }),
      ),
    })).node;
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 2), (given, indent) => {
        const text = JSON.stringify(given, undefined, indent);
        expect(driver.reconfigure(root, text)).toBe(true);
        expect(plainNumbers(driver.state.logs.at(-1)?.text ?? "")).toBe(
          show(JSON.parse(text)).replaceAll(/-0(?![\d.])/gu, "0"),
        );
      }),
      { numRuns: 300 },
    );
  });

  it("refuses what JSON.parse refuses, whatever a text is cut or spoilt", () => {
    const driver = new FilterDriver(module);
    const root = driver.configure({ rootId: "reader", configuration: "null" }).id;
    const good = '{"a": [1, -2.5e+3, true, null, "x\\u00e9\\n"], "b": {"c": ""}} ';
    const pieces = fc.constantFrom(...'{}[]",:\\u 0123456789-+.eE\ntrufalsn\u0001é'.split(""));
    const spoilt = fc
      .tuple(fc.nat(good.length), fc.nat(3), fc.array(pieces, { maxLength: 3 }))
      .map(([at, cut, more]) => good.slice(0, at) + more.join("") + good.slice(at + cut));
    fc.assert(
      fc.property(spoilt, (text) => {
        expect(driver.reconfigure(root, text), text).toBe(isJson(text));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ["", "a value is missing at character 1"],
    ['{"a":1', "a comma or } is missing at character 7"],
    ['{"a" 1}', "a colon is missing at character 6"],
    ["[1,]", "not a value at character 4"],
    ["{a:1}", "a name in quotes is missing at character 2"],
    ['"a', "a quote is missing at character 3"],
    ['"\\x"', "an escape that is not known at character 4"],
    ["01", "text behind the end at character 2"],
    ["1 2", "text behind the end at character 3"],
    ["nul", "not a value at character 1"],
  ])("says what is wrong with %j", (text, problem) => {
    expect(read(text)).toEqual({ accepted: false, line: problem });
  });

  it("takes 32 lists within each other, and no more however many they are", () => {
    expect(read("[".repeat(32) + "]".repeat(32)).accepted).toBe(true);
    expect(read("[".repeat(33) + "]".repeat(33)).line).toContain("too many lists");
    expect(read("[".repeat(1_000_000)).line).toContain("too many lists");
  });
});

describe.skipIf(missing !== "")("readConfiguration", () => {
  it("gives what is there, and the fallback for what is not", () => {
    expect(read("{}", "settings")).toEqual({ accepted: true, line: "none|7|true|||" });
    const full = {
      text: "t",
      number: 3,
      flag: false,
      texts: ["a", "b"],
      object: { inner: "i" },
      objects: [{ name: "x" }, { name: "y" }],
    };
    expect(read(JSON.stringify(full), "settings")).toEqual({ accepted: true, line: "t|3|false|a+b|i|x;y;" });
  });

  it.each([
    ["", "there is no configuration: it must be a JSON object"],
    [" ", "the configuration is not JSON: a value is missing at character 2"],
    ["[]", "the configuration is not a JSON object"],
    ['{"text": 1}', "configuration: text must be text"],
    ['{"number": 1.5}', "configuration: number must be a whole number from 0 to 9007199254740991"],
    ['{"number": -1}', "configuration: number must be a whole number from 0 to 9007199254740991"],
    ['{"number": 1e300}', "configuration: number must be a whole number from 0 to 9007199254740991"],
    ['{"number": "1"}', "configuration: number must be a whole number from 0 to 9007199254740991"],
    ['{"flag": 0}', "configuration: flag must be true or false"],
    ['{"texts": "a"}', "configuration: texts must be a list of texts"],
    ['{"texts": ["a", null]}', "configuration: texts[1] must be text"],
    ['{"object": []}', "configuration: object must be an object"],
    ['{"object": {}}', "configuration: object.inner is missing"],
    ['{"object": {"inner": "", "other": 1}}', 'configuration: object."other" is not known; there is inner'],
    ['{"objects": []}', "configuration: objects must be a list of objects, 1 or more"],
    ['{"objects": [{"name": "a"}, 5]}', "configuration: objects[1] must be an object"],
    ['{"objects": [{"name": "a"}, {"nam": "b"}]}', "configuration: objects[1].name is missing"],
  ])("refuses %s with one line", (text, line) => {
    expect(read(text, "settings")).toEqual({ accepted: false, line });
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
