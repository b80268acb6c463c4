import type { Script } from "node:vm";
import { errnoOf } from "../domain/errors.ts";

/**
 * Runs synchronous work that may take for ever, such as a regular expression somebody else wrote, and gives what it
 * gives; `undefined` when `limitMs` went by, half of it in this process's own processor time: on a busy machine, where
 * little time goes to this thread, it gets some more. The work is ended in its middle: it must not leave anything
 * half done.
 */
export function withinTime<T>(limitMs: number, work: () => T): { readonly value: T } | undefined {
  const began = processorMs();
  for (let round = 1; ; round += 1) {
    const done = once(limitMs, work);
    if (done !== undefined) return done;
    if (processorMs() - began >= limitMs / 2 || round === MOST_ROUNDS) return undefined;
  }
}

/** The engine offers a time limit for scripts only, so a script calls the work. */
function once<T>(timeout: number, work: () => T): { readonly value: T } | undefined {
  const { Script: Made } = process.getBuiltinModule("node:vm");
  const shared = globalThis as { [WORK]?: () => T };
  shared[WORK] = work;
  const script: Script = new Made(`globalThis[Symbol.for("${WORK.description ?? ""}")]()`);
  try {
    return { value: script.runInThisContext({ timeout }) as T };
  } catch (error) {
    if (errnoOf(error) === "ERR_SCRIPT_EXECUTION_TIMEOUT") return undefined;
    throw error;
  } finally {
    delete shared[WORK];
  }
}

/** Of the whole process: never less than what this thread used. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const WORK: unique symbol = Symbol.for("wasme.time-limit");
const MOST_ROUNDS = 10;
