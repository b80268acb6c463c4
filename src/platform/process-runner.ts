import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { errnoOf } from "../domain/errors.ts";
import type { Env } from "./env.ts";

/** How a child process is run. */
export interface RunOptions {
  readonly cwd?: string;
  /** The whole environment of the child. */
  readonly env: Env;
  /** Written to its stdin; without it stdin is closed. */
  readonly input?: string;
  /** Milliseconds until it is ended; none when absent. */
  readonly timeoutMs?: number;
  /** Bytes kept of stdout and stderr each; more is an error. Default 16 MiB. */
  readonly maxOutput?: number;
  /** Called for each line of stdout and stderr as it comes. */
  readonly onLine?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** How a child process ended. */
export interface RunResult {
  /** `undefined` when it was ended by a signal or could not be started. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** `ENOENT` and the like when it could not be started; `ETIMEDOUT` after `timeoutMs`. */
  readonly failure?: string;
}

/**
 * Runs a program without a shell and waits for its end. A non-zero exit is a value, not an error: the caller knows
 * what it means. An abort rejects with the signal's reason.
 */
export type ProcessRunner = (command: string, args: readonly string[], options: RunOptions) => Promise<RunResult>;

const DEFAULT_MAX_OUTPUT = 16 * 1024 * 1024;

/** Between asking a child to end and ending it. Milliseconds. */
const GRACE_MS = 5000;

/**
 * The real runner. On an abort or time-out the child goes with everything it started: npm, for one, leaves its scripts
 * running when it is ended alone.
 */
export const runProcess: ProcessRunner = async (command, args, options) => {
  options.signal?.throwIfAborted();
  const { child } = await start(command, args, options);
  const watch = endEarly(child, options);
  const streams = [gather(child.stdout, options.onLine), gather(child.stderr, options.onLine)] as const;
  try {
    const { exitCode, failure } = await endOf(child);
    options.signal?.throwIfAborted();
    const reason = watch.reason() ?? failure;
    const [stdout, stderr] = streams.map((text) => text());
    return {
      exitCode,
      stdout: stdout ?? "",
      stderr: stderr ?? "",
      ...(reason === undefined ? {} : { failure: reason }),
    };
  } finally {
    watch.dispose();
  }
};

/**
 * Starts the child, in an object because what execa gives is a promise, too. Windows needs execa to find and quote batch
 * files such as `npm.cmd`; elsewhere loading it would take longer (80 ms) than most of what is run.
 */
async function start(
  command: string,
  args: readonly string[],
  { cwd, env, input }: RunOptions,
): Promise<{ readonly child: Child }> {
  const place = cwd === undefined ? {} : { cwd };
  if (process.platform === "win32") {
    const { execa } = await import("execa");
    const stdin = input === undefined ? { stdin: "ignore" as const } : { input };
    const windows = { ...place, ...stdin, env, extendEnv: false, reject: false, buffer: false } as const;
    return { child: execa(command, args, windows) };
  }
  // A process group of its own, so that all of it can be ended at once.
  const stdin = input === undefined ? "ignore" : "pipe";
  const child = spawn(command, args, { ...place, env, detached: true, stdio: [stdin, "pipe", "pipe"] });
  // A child that does not read its input closes it early.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  return { child };
}

/** Waits until the child is gone and its streams are read. */
function endOf(child: Child): Promise<{ readonly exitCode: number | undefined; readonly failure: string | undefined }> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ exitCode: undefined, failure: errnoOf(error) ?? "EUNKNOWN" }));
    child.once("close", (code) => resolve({ exitCode: code ?? undefined, failure: undefined }));
  });
}

/** Keeps what a stream brings, and passes its lines on as they come; the last one may be unfinished. */
function gather(stream: Readable | null, onLine: RunOptions["onLine"]): () => string {
  const parts: string[] = [];
  let rest = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (text: string) => {
    parts.push(text);
    const lines = (rest + text).split(/\r?\n/u);
    rest = lines.pop() ?? "";
    for (const line of lines) onLine?.(line);
  });
  stream?.on("end", () => {
    if (rest !== "") onLine?.(rest);
  });
  return () => parts.join("");
}

interface Child {
  readonly pid?: number | undefined;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  kill(signal: NodeJS.Signals): boolean;
  once(event: "error", listener: (error: Error) => void): unknown;
  once(event: "close", listener: (code: number | null) => void): unknown;
}

/** Ends the child's group on an abort, a time-out, too much output, and when this process goes. */
function endEarly(
  child: Child,
  { signal, timeoutMs, maxOutput = DEFAULT_MAX_OUTPUT }: RunOptions,
): { reason(): string | undefined; dispose(): void } {
  let reason: string | undefined;
  let force: NodeJS.Timeout | undefined;
  const kill = (name: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined && process.platform !== "win32") process.kill(-child.pid, name);
      else child.kill(name);
    } catch {
      // The group is gone already.
    }
  };
  const end = (): void => {
    kill("SIGTERM");
    force ??= setTimeout(() => kill("SIGKILL"), GRACE_MS);
  };
  const onExit = (): void => kill("SIGKILL");
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          reason = "ETIMEDOUT";
          end();
        }, timeoutMs);
  for (const stream of [child.stdout, child.stderr]) {
    let size = 0;
    stream?.on("data", (text: string) => {
      size += Buffer.byteLength(text);
      if (size <= maxOutput) return;
      reason ??= "EMAXBUFFER";
      stream.destroy();
      end();
    });
  }
  signal?.addEventListener("abort", end, { once: true });
  process.once("exit", onExit);
  return {
    reason: () => reason,
    dispose: () => {
      clearTimeout(timer);
      clearTimeout(force);
      signal?.removeEventListener("abort", end);
      process.off("exit", onExit);
    },
  };
}
