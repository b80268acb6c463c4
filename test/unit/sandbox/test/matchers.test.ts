import { describe, expect, test } from "vitest";
import { HeaderMap } from "../../../../src/host/header-map.ts";
import type { LogEntry } from "../../../../src/host/environment.ts";
import { Checks } from "../../../../src/sandbox/test/checks.ts";
import { describeMatcher, describeValue, matches } from "../../../../src/sandbox/test/matchers.ts";
import type { LogExpectation, Matcher } from "../../../../src/sandbox/test/model-expect.ts";
import { testPattern } from "../../../../src/sandbox/test/test-pattern.ts";
import { formatNanoseconds, headerPairs, nanoseconds } from "../../../../src/sandbox/test/values.ts";

const readBytes = (path: string): string => `content of ${path}`;
/** A string of UTF-8 bytes, as the host has them. */
const bytes = (text: string): string => Buffer.from(text).toString("latin1");

describe("a matcher", () => {
  test.for<[Matcher, string | undefined, boolean]>([
    ["a", "a", true],
    ["a", "b", false],
    ["a", undefined, false],
    [1, "1", true],
    [true, "true", true],
    ["ä", bytes("ä"), true],
    [{ equals: "a" }, "a", true],
    [{ equals: "a" }, "ab", false],
    [{ contains: "ä" }, bytes("xäy"), true],
    [{ contains: "z" }, "xy", false],
    [{ prefix: "x" }, "xy", true],
    [{ prefix: "y" }, "xy", false],
    [{ suffix: "y" }, "xy", true],
    [{ suffix: "x" }, "xy", false],
    [{ matches: "^.ä$" }, bytes("xä"), true],
    [{ matches: "^.$" }, "xy", false],
    [{ absent: true }, undefined, true],
    [{ absent: true }, "", false],
    [{ absent: false }, "", true],
    [{ absent: false }, undefined, false],
    [{ present: true }, "", true],
    [{ present: true }, undefined, false],
    [{ file: "a.txt" }, "content of a.txt", true],
    [{ file: "a.txt" }, "content of b.txt", false],
    [{ base64: "AP8=" }, "\u0000\u00ff", true],
    [{ base64: "AP8=" }, "\u0000", false],
    [{ json: { a: [1, null], b: {} } }, '{"b": {}, "a": [1, null]}', true],
    [{ json: { a: [1] } }, '{"a": [1], "b": 2}', false],
    [{ json: [1, 2] }, "[2, 1]", false],
    [{ json: {} }, "[]", false],
    [{ json: 1 }, "no json", false],
    [{ not: "a" }, "b", true],
    [{ not: "a" }, "a", false],
    [{ not: { contains: "a" }, prefix: "b" }, "bc", true],
    [{ prefix: "b", suffix: "d" }, "bc", false],
    [{ contains: "a" }, undefined, false],
  ])("%j against %j is %s", ([matcher, value, expected]) => {
    expect(matches(matcher, value, readBytes)).toBe(expected);
  });

  test("and values are told in words", () => {
    expect(describeMatcher({ prefix: "a", not: { matches: "b" }, json: [1] })).toBe(
      'begins with "a" and not: matches /b/ and JSON [1]',
    );
    expect([describeMatcher({ absent: true }), describeMatcher({ present: true })]).toEqual(["not there", "there"]);
    expect(describeValue(bytes("ä\n"))).toBe(String.raw`"ä\n"`);
    expect(describeValue("\u00ff")).toBe("base64 /w==");
    expect(describeValue("x".repeat(1000))).toMatch(/^"x{499}… \(1000 bytes\)$/u);
  });
});

describe("what is expected of the log", () => {
  const lines = (["info a", "error b", "info c", "info a"] as const).map((line): LogEntry => {
    const [level, text] = line.split(" ") as ["info" | "error", string];
    return { level, text, source: text === "c" ? "stderr" : "log", plugin: undefined, contextId: 1, stream: false };
  });
  test.for<[LogExpectation[], number]>([
    [[{ text: "a" }, { text: "b" }, { text: "c" }, { text: "a" }], 0],
    [[{ text: "b" }, { text: "a" }, { text: "a" }], 1],
    [[{ text: "c" }, { text: "b" }], 1],
    [[{ text: "a", times: 2 }], 0],
    [[{ text: "a", times: 1 }], 1],
    [[{ level: "error", text: "a" }], 1],
    [[{ source: "stderr", contains: "c" }], 0],
    [[{ source: "stdout", contains: "c" }], 1],
    [[{ matches: "^[ab]$", absent: true }], 1],
    [[{ matches: "^d$", absent: true }], 0],
    [[{ matches: "x|y" }, { text: "z" }], 2],
  ])("%j fails %i times", ([expected, failures]) => {
    const checks = new Checks(readBytes);
    checks.log(["log"], expected, lines);
    expect(checks.failures).toHaveLength(failures);
  });
});

test("headers are held by name, whatever its case, and several values in order", () => {
  const map = new HeaderMap("response", [
    [":status", "200"],
    ["set-cookie", "a"],
    ["set-cookie", "b"],
  ]);
  const failed = (expected: Parameters<Checks["headers"]>[2]): string[] => {
    const checks = new Checks(readBytes);
    checks.headers(["headers"], "header", expected, map);
    return checks.failures.map(({ message }) => message);
  };
  expect(failed({ "Set-Cookie": ["a", "b"], ":status": 200, none: { absent: true } })).toEqual([]);
  expect(failed({ "set-cookie": ["b", "a"] })).toEqual(['header set-cookie is ["a", "b"], expected ["b", "a"]']);
  expect(failed({ "set-cookie": ["a"] })).toHaveLength(1);
  expect(failed({ "set-cookie": "a, b" })).toEqual([]);
});

test("times are read and told", () => {
  expect(["120ms", "1m30s", "1.5s", "10us", 5].map((time) => nanoseconds(time))).toEqual([
    120_000_000n,
    90_000_000_000n,
    1_500_000_000n,
    10_000n,
    5_000_000n,
  ]);
  expect([120_000_000n, 90_000_000_000n].map((time) => formatNanoseconds(time))).toEqual(["120ms", "90s"]);
  expect(headerPairs({ "X-A": ["ä", 1], b: null })).toEqual([
    ["x-a", bytes("ä")],
    ["x-a", "1"],
  ]);
});

describe("testPattern", () => {
  // Without a limit each of these takes hours.
  test.for(["(a+)+$", "(a*)*b", "(a|a)+$", "(a{1,30}){1,30}$"])("ends %s and names it", (written) => {
    const run = (): boolean => testPattern(new RegExp(written, "u"), `${"a".repeat(40)}!`);
    expect(run).toThrow(
      expect.objectContaining({
        code: "PATTERN_TOO_SLOW",
        message: `/${written}/ was not decided within 1 s on a text of 41 characters`,
      }),
    );
  });

  test("ends one repetition on a long text, too", () => {
    expect(() => testPattern(/a+$/u, `${"a".repeat(1_000_000)}!`)).toThrow("a text of 1000001 characters");
  });

  test("decides the others, short texts and long ones", () => {
    expect(testPattern(/^(a|b)+c$/u, "ababc")).toBe(true);
    expect(testPattern(/^(a|b)+c$/u, "abab")).toBe(false);
    expect(testPattern(/a+b/u, `${"a".repeat(10_000)}b`)).toBe(true);
    expect(testPattern(/x/u, "y".repeat(1_000_000))).toBe(false);
    expect(Reflect.ownKeys(globalThis).map(String)).not.toContain("Symbol(wasme.test-pattern)");
  });
});
