import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { findProgram, tail } from "./run.ts";
import { waitFor } from "./wait.ts";

/** A running program of the tests. */
export interface Child {
  readonly pid: number;
  /** Everything it wrote so far, both streams. */
  log(): string;
  /** The exit code (or signal name) when it has ended, else undefined. */
  ended(): number | string | undefined;
  /** Waits until the log matches, and returns the match. Throws with the log when the program ends first. */
  seen(pattern: RegExp, deadlineMs?: number): Promise<RegExpExecArray>;
  /** Kills it (SIGKILL unless told otherwise) and waits for its end. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Where and with what environment a program runs. */
export interface ChildOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** A temporary folder that has no use without the program; deleted when this process ends before it. */
  readonly scratch?: string;
}

/** Every child that runs, with its scratch folder, so that none outlives this process. */
const alive = new Map<ChildProcess, string | undefined>();
let guarded = false;

/**
 * Starts a program that runs until it is stopped. It dies with this process: by handlers for a normal exit,
 * Ctrl-C and an uncaught error, and on Linux by `setpriv --pdeathsig` when this process itself is killed.
 */
export async function startChild(file: string, args: readonly string[], options: ChildOptions = {}): Promise<Child> {
  guard();
  const setpriv = process.platform === "linux" ? await findProgram("setpriv") : undefined;
  const line = setpriv === undefined ? [file, ...args] : [setpriv, "--pdeathsig", "KILL", "--", file, ...args];
  const [program = file, ...rest] = line;
  const { scratch, ...where } = options;
  const child = spawn(program, rest, { ...where, stdio: ["ignore", "pipe", "pipe"] });
  alive.set(child, scratch);
  let text = "";
  let end: number | string | undefined;
  const append = (chunk: Buffer): void => {
    text += chunk.toString();
  };
  child.stdout.on("data", append);
  child.stderr.on("data", append);
  child.on("exit", (code, signal) => {
    end = code ?? signal ?? "unknown";
    alive.delete(child);
  });
  const closed = once(child, "close"); // later than "exit": all output has been read
  closed.catch(() => undefined);
  await once(child, "spawn");

  const seen = (pattern: RegExp, deadlineMs = 20_000): Promise<RegExpExecArray> =>
    waitFor(
      `${file} to write ${String(pattern)}`,
      () => {
        const match = pattern.exec(text);
        if (match === null && end !== undefined) throw new Error(`${file} ended (${end}):\n${tail(text)}`);
        return match ?? undefined;
      },
      { deadlineMs, detail: () => tail(text) },
    );
  return {
    pid: child.pid ?? 0,
    log: () => text,
    ended: () => end,
    seen,
    stop: async (signal = "SIGKILL") => {
      if (end === undefined) child.kill(signal);
      await closed;
    },
  };
}

function guard(): void {
  if (guarded) return;
  guarded = true;
  process.on("exit", killAll);
  process.on("uncaughtExceptionMonitor", killAll);
  process.on("disconnect", killAll); // a test worker whose vitest was killed runs on to the end of its test
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      killAll();
      // Vitest has handlers of its own, which end the run in order. Alone, ours must not swallow the signal.
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  }
}

function killAll(): void {
  for (const child of alive.keys()) child.kill("SIGKILL");
  for (const scratch of new Set(alive.values())) {
    // A program that is not quite dead may still write: what it leaves then is the system's to clean.
    if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true, maxRetries: 3 });
  }
}
