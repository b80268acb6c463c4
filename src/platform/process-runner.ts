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
 * The real runner, over execa (loaded at the first call: it costs some 80 ms). On an abort or time-out the child goes
 * with everything it started: npm, for one, leaves its scripts running when it is ended alone.
 */
export const runProcess: ProcessRunner = async (command, args, options) => {
  options.signal?.throwIfAborted();
  const { execa } = await import("execa");
  const child = execa(command, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.input === undefined ? { stdin: "ignore" as const } : { input: options.input }),
    env: options.env,
    extendEnv: false,
    reject: false,
    maxBuffer: options.maxOutput ?? DEFAULT_MAX_OUTPUT,
    stripFinalNewline: false,
    // A process group of its own, so that all of it can be ended at once. Windows has no such thing.
    detached: process.platform !== "win32",
  });
  const watch = endEarly(child, options);
  const lines = options.onLine === undefined ? undefined : follow(child, options.onLine);
  try {
    const result = await child;
    await lines;
    options.signal?.throwIfAborted();
    const failure = watch.timedOut() ? "ETIMEDOUT" : result.isMaxBuffer ? "EMAXBUFFER" : result.code;
    return {
      exitCode: result.exitCode,
      stdout: result.stdout ?? "",
      stderr: result.stderr ?? "",
      ...(failure === undefined ? {} : { failure }),
    };
  } finally {
    watch.dispose();
  }
};

interface Child {
  readonly pid?: number | undefined;
  readonly stdout: NodeJS.ReadableStream;
  readonly stderr: NodeJS.ReadableStream;
  kill(signal: NodeJS.Signals): boolean;
}

/** Ends the child's group on an abort, a time-out, too much output, and when this process goes. */
function endEarly(
  child: Child,
  { signal, timeoutMs, maxOutput = DEFAULT_MAX_OUTPUT }: RunOptions,
): { timedOut(): boolean; dispose(): void } {
  let timedOut = false;
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
          timedOut = true;
          end();
        }, timeoutMs);
  for (const stream of [child.stdout, child.stderr]) {
    let size = 0;
    stream.on("data", (chunk: Uint8Array) => {
      size += chunk.length;
      if (size > maxOutput) end();
    });
  }
  signal?.addEventListener("abort", end, { once: true });
  process.once("exit", onExit);
  return {
    timedOut: () => timedOut,
    dispose: () => {
      clearTimeout(timer);
      clearTimeout(force);
      signal?.removeEventListener("abort", end);
      process.off("exit", onExit);
    },
  };
}

async function follow(
  child: { iterable(options: { from: "all" | "stdout" | "stderr" }): AsyncIterable<unknown> },
  onLine: (line: string) => void,
): Promise<void> {
  const each = async (from: "stdout" | "stderr"): Promise<void> => {
    try {
      for await (const line of child.iterable({ from })) onLine(String(line));
    } catch {
      // The child's own result tells how it ended; here only its lines matter.
    }
  };
  await Promise.all([each("stdout"), each("stderr")]);
}
