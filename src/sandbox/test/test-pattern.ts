import type { Script } from "node:vm";
import { errnoOf, WasmeError } from "../../domain/errors.ts";

/**
 * True when the pattern is found in the text. JavaScript tries every way to match: a pattern such as `(a+)+$` takes longer
 * than anybody waits on forty characters. One that may is given a second, in which half a second of processor time has to be; then
 * `PATTERN_TOO_SLOW` (failed) is thrown, which names it as `written`.
 */
export function testPattern(pattern: RegExp, text: string, written: string = pattern.source): boolean {
  // One repetition of one character at most: no more ways than the square of the length.
  const isSimple = /^[^*+?{(]*(?:[*+?][^*+?{(]*)?$/u.test(pattern.source);
  if (isSimple && text.length < SHORT) return pattern.test(text);
  const began = processorMs();
  // On a busy machine little of the time goes to this thread: it gets some more.
  for (let round = 1; ; round += 1) {
    const found = within(LIMIT_MS, () => pattern.test(text));
    if (found !== undefined) return found;
    if (processorMs() - began >= LIMIT_MS / 2 || round === MOST_ROUNDS) throw tooSlow(written, text);
  }
}

/** What the action gives; `undefined` when it takes longer. */
function within(timeout: number, action: () => boolean): boolean | undefined {
  const { Script: Made } = process.getBuiltinModule("node:vm");
  const shared = globalThis as { [ACTION]?: () => boolean };
  shared[ACTION] = action;
  const script: Script = new Made(`globalThis[Symbol.for("${ACTION.description ?? ""}")]()`);
  try {
    return script.runInThisContext({ timeout }) as boolean;
  } catch (error) {
    if (errnoOf(error) === "ERR_SCRIPT_EXECUTION_TIMEOUT") return undefined;
    throw error;
  } finally {
    delete shared[ACTION];
  }
}

function tooSlow(written: string, text: string): WasmeError {
  const message = `/${written}/ was not decided within ${LIMIT_MS / 1000} s on a text of ${text.length} characters`;
  return new WasmeError("failed", "PATTERN_TOO_SLOW", message, {
    hint: "a repetition in another one, as in (a+)+, divides a text in every possible way: write it without",
  });
}

/** Of the whole process: never less than what this thread used. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const ACTION: unique symbol = Symbol.for("wasme.test-pattern");
const LIMIT_MS = 1000;
const MOST_ROUNDS = 10;
/** Up to here that costs less than a tenth of a second. */
const SHORT = 5000;
