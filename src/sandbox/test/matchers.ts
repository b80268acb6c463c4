import type { Json } from "../../domain/json.ts";
import { textOf, utf8ByteString } from "../../host/byte-string.ts";
import type { Matcher, MatcherRules } from "./model-expect.ts";
import { testPattern } from "./test-pattern.ts";

/** Reads a file named in a test file; the path starts at its folder. Gives a string of bytes. */
export type ReadBytes = (path: string) => string;

/**
 * True when a value (a string of bytes; `undefined`: there is none) is as expected. Throws what `readBytes` and {@link testPattern} throw.
 */
export function matches(matcher: Matcher, actual: string | undefined, readBytes: ReadBytes): boolean {
  if (typeof matcher !== "object") return actual === utf8ByteString(String(matcher));
  if (matcher.absent !== undefined && matcher.absent !== (actual === undefined)) return false;
  if (matcher.present !== undefined && matcher.present !== (actual !== undefined)) return false;
  if (matcher.not !== undefined && matches(matcher.not, actual, readBytes)) return false;
  const value = actual ?? "";
  const tests = valueTests(matcher, readBytes);
  return tests.length === 0 || (actual !== undefined && tests.every((test) => test(value)));
}

type ValueTest = (value: string) => boolean;

function valueTests(rules: MatcherRules, readBytes: ReadBytes): readonly ValueTest[] {
  const tests: ValueTest[] = [];
  const { equals, contains, prefix, suffix, matches: pattern, file, base64, json } = rules;
  if (equals !== undefined) tests.push((value) => value === bytes(equals));
  if (contains !== undefined) tests.push((value) => value.includes(bytes(contains)));
  if (prefix !== undefined) tests.push((value) => value.startsWith(bytes(prefix)));
  if (suffix !== undefined) tests.push((value) => value.endsWith(bytes(suffix)));
  if (pattern !== undefined) tests.push((value) => testPattern(new RegExp(pattern, "u"), textOf(value), pattern));
  if (file !== undefined) tests.push((value) => value === readBytes(file));
  if (base64 !== undefined) tests.push((value) => value === Buffer.from(base64, "base64").toString("latin1"));
  if (json !== undefined) tests.push((value) => sameJson(json, parseJson(textOf(value))));
  return tests;
}

function bytes(value: string | number | boolean): string {
  return utf8ByteString(String(value));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Equal as JSON: the order of keys does not matter. */
function sameJson(expected: Json, actual: unknown): boolean {
  if (typeof expected !== "object" || expected === null) return expected === actual;
  if (typeof actual !== "object" || actual === null || Array.isArray(expected) !== Array.isArray(actual)) return false;
  const wanted = Object.entries(expected);
  const found = actual as Record<string, unknown>;
  if (wanted.length !== Object.keys(found).length) return false;
  return wanted.every(([name, value]) => Object.hasOwn(found, name) && sameJson(value, found[name]));
}

/** The expectation as a person reads it: `"a"`, `matches /^Basic/`, `not there`. */
export function describeMatcher(matcher: Matcher): string {
  if (typeof matcher !== "object") return quote(String(matcher));
  const parts = Object.entries(matcher).map(([rule, value]) => describeRule(rule as keyof MatcherRules, value));
  return parts.join(" and ");
}

function describeRule(rule: keyof MatcherRules, value: unknown): string {
  if (rule === "json") return `JSON ${JSON.stringify(value)}`;
  if (rule === "not") return `not: ${describeMatcher(value as Matcher)}`;
  if (rule === "absent" || rule === "present") return (rule === "present") === value ? "there" : "not there";
  if (rule === "matches") return `matches /${String(value)}/`;
  if (rule === "file") return `the content of ${String(value)}`;
  if (rule === "base64") return `base64 ${String(value)}`;
  return `${WORDS[rule]}${quote(String(value))}`;
}

const WORDS = { equals: "", contains: "contains ", prefix: "begins with ", suffix: "ends with " };

/** A value as a person reads it; a string of bytes that is no text is shown as base64, a long one is cut. */
export function describeValue(value: string | undefined): string {
  if (value === undefined) return "not there";
  const text = textOf(value);
  const shown = text.includes("\uFFFD") ? `base64 ${Buffer.from(value, "latin1").toString("base64")}` : quote(text);
  return shown.length > LONGEST ? `${shown.slice(0, LONGEST)}… (${value.length} bytes)` : shown;
}

const LONGEST = 500;

/** Text in double quotes, control characters as escapes. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
