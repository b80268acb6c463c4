import type { Json } from "../../domain/json.ts";
import { textOf, utf8ByteString } from "../../host/byte-string.ts";
import type { LogEntry } from "../../host/environment.ts";
import { type HeaderMap, lowerAscii } from "../../host/header-map.ts";
import type { Failure } from "./case-result.ts";
import { describeMatcher, describeValue, matches, quote, type ReadBytes } from "./matchers.ts";
import type { HeaderExpectations, LogExpectation, Matcher } from "./model-expect.ts";
import { formatPlace } from "./format-place.ts";
import type { Place } from "./shape.ts";
import { testPattern } from "./test-pattern.ts";

/** What a failure says beside its sentence. */
export interface FailureFacts {
  readonly expected?: string;
  readonly actual?: string;
  /** What `--update` writes at the place. */
  readonly replacement?: Json;
}

/** Compares what came with what was expected, and keeps what is different. */
export class Checks {
  readonly failures: Failure[] = [];
  readonly #readBytes: ReadBytes;

  constructor(readBytes: ReadBytes) {
    this.#readBytes = readBytes;
  }

  fail(at: Place, message: string, facts: FailureFacts = {}): void {
    const { expected, actual, replacement } = facts;
    this.failures.push({
      path: formatPlace(at),
      message,
      expected,
      actual,
      ...(replacement === undefined ? {} : { at, replacement }),
    });
  }

  /** One value, a string of bytes. */
  value(at: Place, what: string, matcher: Matcher, actual: string | undefined): void {
    if (matches(matcher, actual, this.#readBytes)) return;
    const expected = describeMatcher(matcher);
    const shown = showLike(matcher, actual);
    const verb = actual === undefined ? "is not there" : `is ${shown}`;
    this.fail(at, `${what} ${verb}, expected ${expected}`, {
      expected,
      actual: shown,
      replacement: replacementOf(matcher, actual),
    });
  }

  /** Headers or trailers by name. */
  headers(at: Place, what: string, expected: HeaderExpectations, actual: HeaderMap | undefined): void {
    for (const [name, matcher] of Object.entries(expected)) {
      const values = actual?.values(lowerAscii(utf8ByteString(name))) ?? [];
      const here = [...at, name];
      if (isList(matcher)) this.#values(here, `${what} ${name}`, matcher, values);
      else this.value(here, `${what} ${name}`, matcher, values.length > 1 ? values.join(", ") : values[0]);
    }
  }

  #values(at: Place, what: string, expected: readonly Matcher[], actual: readonly string[]): void {
    const fits = expected.length === actual.length;
    if (fits && expected.every((matcher, place) => matches(matcher, actual[place], this.#readBytes))) return;
    const wanted = `[${expected.map((matcher) => describeMatcher(matcher)).join(", ")}]`;
    const shown = `[${actual.map((value) => describeValue(value)).join(", ")}]`;
    this.fail(at, `${what} is ${shown}, expected ${wanted}`, {
      expected: wanted,
      actual: shown,
      replacement: actual.map((value) => plain(value)),
    });
  }

  /** Messages in order. */
  list(at: Place, what: string, expected: readonly Matcher[], actual: readonly string[]): void {
    this.#values(at, what, expected, actual);
  }

  /** Lines that must be there in this order, and lines that must not be there at all. */
  log(at: Place, expected: readonly LogExpectation[], lines: readonly LogEntry[]): void {
    let from = 0;
    for (const [place, line] of expected.entries()) {
      const here = [...at, place];
      const fits = (entry: LogEntry): boolean => this.#lineFits(line, entry);
      if (line.absent === true) {
        const found = lines.find(fits);
        if (found !== undefined) {
          this.fail(here, `the log holds ${quote(found.text)}, expected no line ${describeLine(line)}`, {
            expected: `no line ${describeLine(line)}`,
            actual: quote(found.text),
          });
        }
        continue;
      }
      const count = lines.filter(fits).length;
      if (line.times !== undefined && count !== line.times) {
        this.fail(here, `the log holds ${count} lines ${describeLine(line)}, expected ${line.times}`, {
          expected: `${line.times} lines ${describeLine(line)}`,
          actual: String(count),
        });
        continue;
      }
      const found = lines.findIndex((entry, index) => index >= from && fits(entry));
      if (found === -1) this.#lineMissing(here, line, count > 0);
      else if (line.times === undefined) from = found + 1;
    }
  }

  #lineMissing(at: Place, line: LogExpectation, elsewhere: boolean): void {
    const where = elsewhere ? " after the ones before it in the list (the order matters)" : "";
    this.fail(at, `the log holds no line ${describeLine(line)}${where}`, { expected: describeLine(line) });
  }

  #lineFits({ level, source, text, contains, matches: pattern }: LogExpectation, entry: LogEntry): boolean {
    if (level !== undefined && level !== entry.level) return false;
    if (source !== undefined && source !== entry.source) return false;
    if (text !== undefined && entry.text !== String(text)) return false;
    if (contains !== undefined && !entry.text.includes(String(contains))) return false;
    return pattern === undefined || testPattern(new RegExp(pattern, "u"), entry.text, pattern);
  }
}

/** The value as the expectation is told: JSON as JSON, where it is some. */
function showLike(matcher: Matcher, actual: string | undefined): string {
  const asJson = typeof matcher === "object" && matcher.json !== undefined && actual !== undefined;
  const text = asJson ? textOf(actual) : "";
  return /^\s*[[{]/u.test(text) && text.length <= MOST_JSON ? `JSON ${text}` : describeValue(actual);
}

const MOST_JSON = 500;

function isList(matcher: Matcher | readonly Matcher[]): matcher is readonly Matcher[] {
  return Array.isArray(matcher);
}

function describeLine({ level, source, text, contains, matches: pattern }: LogExpectation): string {
  const parts = [
    ...(level === undefined ? [] : [`of level ${level}`]),
    ...(source === undefined ? [] : [`from ${source}`]),
    ...(text === undefined ? [] : [quote(String(text))]),
    ...(contains === undefined ? [] : [`that contains ${quote(String(contains))}`]),
    ...(pattern === undefined ? [] : [`that matches /${pattern}/`]),
  ];
  return parts.join(" ");
}

/** What the expectation would have to be, in the form it has. */
function replacementOf(matcher: Matcher, actual: string | undefined): Json {
  if (actual === undefined) return { absent: true };
  if (typeof matcher === "object" && matcher.json !== undefined) {
    try {
      return { json: JSON.parse(textOf(actual)) as Json };
    } catch {
      return plain(actual);
    }
  }
  return typeof matcher === "number" && /^-?\d{1,15}$/u.test(actual) ? Number(actual) : plain(actual);
}

function plain(value: string): Json {
  const text = textOf(value);
  return text.includes("\uFFFD") ? { base64: Buffer.from(value, "latin1").toString("base64") } : text;
}
