import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { messageOf, WasmeError } from "../domain/errors.ts";
import type { Env } from "../platform/env.ts";

/** A program that runs until it ends by itself or is asked to. */
export interface ForegroundOptions {
  readonly cwd: string;
  /** The whole environment of the program. */
  readonly env: Env;
  /** Each line of its stdout and stderr as it comes. */
  readonly onLine: (line: string) => void;
  /** Asks it to end (SIGTERM), and kills it when it has not after ten seconds. */
  readonly signal?: AbortSignal | undefined;
}

/** How it ended: an exit code, or the signal that ended it. */
export interface ForegroundResult {
  readonly exitCode: number | undefined;
  readonly endedBy: string | undefined;
}

/** Milliseconds between the request to end and the kill. */
const GRACE_MS = 10_000;

/**
 * Runs a program without a shell, for as long as it likes, and hands on its output line by line; nothing is kept. Its
 * stdin is closed. Throws `PROGRAM_NOT_STARTED` (failed); the caller looks at the signal itself.
 */
export async function runForeground(
  command: string,
  args: readonly string[],
  options: ForegroundOptions,
): Promise<ForegroundResult> {
  const child = spawn(command, args, { cwd: options.cwd, env: options.env, stdio: ["ignore", "pipe", "pipe"] });
  let killer: NodeJS.Timeout | undefined;
  const end = (): void => {
    child.kill("SIGTERM");
    killer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  };
  const reap = (): void => void child.kill("SIGKILL");
  process.once("exit", reap); // a second Ctrl-C ends this process at once: the program must not stay behind
  options.signal?.addEventListener("abort", end, { once: true });
  if (options.signal?.aborted === true) end();
  try {
    const exit = new Promise<ForegroundResult>((resolve, reject) => {
      child.once("error", (error) => reject(notStarted(command, error)));
      child.once("exit", (code, name) => resolve({ exitCode: code ?? undefined, endedBy: name ?? undefined }));
    });
    const [result] = await Promise.all([
      exit,
      follow(child.stdout, options.onLine),
      follow(child.stderr, options.onLine),
    ]);
    return result;
  } finally {
    clearTimeout(killer);
    process.off("exit", reap);
    options.signal?.removeEventListener("abort", end);
  }
}

async function follow(stream: Readable, onLine: (line: string) => void): Promise<void> {
  for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) onLine(line);
}

function notStarted(command: string, error: Error): Error {
  return new WasmeError("failed", "PROGRAM_NOT_STARTED", `${command} could not be started: ${messageOf(error)}`, {
    cause: error,
  });
}
