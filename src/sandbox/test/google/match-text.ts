import { messageOf, WasmeError } from "../../../domain/errors.ts";
import { re2FullMatch } from "./re2.ts";
import { testPattern } from "../test-pattern.ts";
import { RegexProblem } from "./re2-classes.ts";
import type { GoogleMatcher } from "./runner-schema.ts";
import { bytesOf } from "./textproto-strings.ts";

/** Reads a file a test names, as a string of bytes; throws when there is none. */
export type FileReader = (path: string) => string;

/** Why a matcher is not met; `undefined` when it is. */
export type MatchFailure = { readonly message: string; readonly expected: string | undefined };

/**
 * Looks for a text among others (strings of bytes): one of them has to match, or none of them when inverted.
 *
 * @param what what the texts are: `log line`, `header`, `body`
 */
export function matchTexts(
  matcher: GoogleMatcher,
  {
    what,
    texts,
    readFile,
  }: { readonly what: string; readonly texts: readonly string[]; readonly readFile: FileReader },
): MatchFailure | undefined {
  const test = testOf(matcher, readFile);
  if ("problem" in test) return { message: test.problem, expected: undefined };
  const { wanted } = test;
  let found: string | undefined;
  try {
    found = texts.find((text) => test.matches(text));
  } catch (error) {
    if (!(error instanceof WasmeError)) throw error; // a pattern that takes too long
    return { message: error.message, expected: undefined };
  }
  if (matcher.invert === true) {
    if (found === undefined) return undefined;
    return { message: `the ${what} is ${shown(found)}, expected none ${wanted}`, expected: `no ${what} ${wanted}` };
  }
  if (found !== undefined) return undefined;
  return { message: `${among(what, texts)}, expected one ${wanted}`, expected: `a ${what} ${wanted}` };
}

/** What there was to choose from: the texts themselves only when that is short, as a report has them elsewhere too. */
function among(what: string, texts: readonly string[]): string {
  if (texts.length < 2) return texts[0] === undefined ? `there is no ${what}` : `the ${what} is ${shown(texts[0])}`;
  const all = texts.map(shown).join(", ");
  return all.length > SHORT ? `there are ${texts.length} ${what}s` : `the ${what}s are ${all}`;
}

type TextTest = { readonly matches: (text: string) => boolean; readonly wanted: string } | { readonly problem: string };

function testOf({ exact, regex, file }: GoogleMatcher, readFile: FileReader): TextTest {
  if (exact !== undefined) return { matches: (text) => text === exact, wanted: `that is ${shown(exact)}` };
  if (file !== undefined) {
    try {
      const content = readFile(file);
      return { matches: (text) => text === content, wanted: `that is the content of ${file}` };
    } catch (error) {
      return { problem: messageOf(error) };
    }
  }
  if (regex === undefined) return { problem: 'a matcher has to have "exact", "regex" or "file"' };
  try {
    const pattern = re2FullMatch(regex);
    return { matches: (text) => testPattern(pattern, readable(text), regex), wanted: `that matches ${regex}` };
  } catch (error) {
    if (!(error instanceof RegexProblem)) throw error;
    return { problem: `bad regex: ${error.message}` };
  }
}

/** Bytes as text for people and regular expressions; what is no UTF-8 becomes replacement characters. */
export function readable(bytes: string): string {
  if (/^[\0-\x7f]*$/u.test(bytes)) return bytes;
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytesOf(bytes));
}

/** As {@link readable}, quoted and not longer than a few lines. */
export function shown(bytes: string): string {
  const text = JSON.stringify(readable(bytes.slice(0, SHOWN)));
  return bytes.length > SHOWN ? `${text}… (${bytes.length} bytes)` : text;
}

const SHOWN = 400;
const SHORT = 60;
