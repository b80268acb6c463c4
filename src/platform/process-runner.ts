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

/** The real runner, over execa (loaded at the first call: it costs some 80 ms). */
export const runProcess: ProcessRunner = async (command, args, options) => {
  options.signal?.throwIfAborted();
  const { execa } = await import("execa");
  const child = execa(command, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    ...(options.input === undefined ? { stdin: "ignore" as const } : { input: options.input }),
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
    env: options.env,
    extendEnv: false,
    reject: false,
    maxBuffer: options.maxOutput ?? DEFAULT_MAX_OUTPUT,
    stripFinalNewline: false,
  });
  const lines = options.onLine === undefined ? undefined : follow(child, options.onLine);
  const result = await child;
  await lines;
  options.signal?.throwIfAborted();
  const failure = result.timedOut ? "ETIMEDOUT" : result.isMaxBuffer ? "EMAXBUFFER" : result.code;
  return {
    exitCode: result.exitCode,
    stdout: result.stdout ?? "",
    stderr: result.stderr ?? "",
    ...(failure === undefined ? {} : { failure }),
  };
};

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
