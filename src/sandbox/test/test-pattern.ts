import { WasmeError } from "../../domain/errors.ts";
import { withinTime } from "../../platform/time-limit.ts";

/**
 * True when the pattern is found in the text. JavaScript tries every way to match: a pattern such as `(a+)+$` takes longer
 * than anybody waits on forty characters. One that may is given a second; then `PATTERN_TOO_SLOW` (failed) is thrown,
 * which names it as `written`.
 */
export function testPattern(pattern: RegExp, text: string, written: string = pattern.source): boolean {
  // One repetition of one character at most: no more ways than the square of the length.
  const isSimple = /^[^*+?{(]*(?:[*+?][^*+?{(]*)?$/u.test(pattern.source);
  if (isSimple && text.length < SHORT) return pattern.test(text);
  const found = withinTime(LIMIT_MS, () => pattern.test(text));
  if (found === undefined) throw tooSlow(written, text);
  return found.value;
}

function tooSlow(written: string, text: string): WasmeError {
  const message = `/${written}/ was not decided within ${LIMIT_MS / 1000} s on a text of ${text.length} characters`;
  return new WasmeError("failed", "PATTERN_TOO_SLOW", message, {
    hint: "a repetition in another one, as in (a+)+, divides a text in every possible way: write it without",
  });
}

const LIMIT_MS = 1000;
/** Up to here that costs less than a tenth of a second. */
const SHORT = 5000;
