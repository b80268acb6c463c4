import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { messageOf } from "../../domain/errors.ts";
import type { Env } from "../../platform/env.ts";

/** What the compiler said about one place. */
export interface AsDiagnostic {
  readonly message: string;
  /** TypeScript's number: 2322 is shown as `TS2322`. */
  readonly code: number;
  readonly severity: "info" | "warning" | "error";
  /** Relative to the project, `~lib/…` for the standard library and packages. */
  readonly file?: string;
  /** From 1, as is `column`. */
  readonly line?: number;
  readonly column?: number;
}

/** How a run of the compiler ended. */
export interface CompileResult {
  /** The module; `undefined` when there is none. */
  readonly wasm: Uint8Array | undefined;
  readonly diagnostics: readonly AsDiagnostic[];
  /** Every file the compiler read, absolute. */
  readonly files: readonly string[];
  /** What the compiler printed: its diagnostics with the source lines. */
  readonly text: string;
  /** Why it failed, in its own words; `undefined` when it did not. */
  readonly error: string | undefined;
}

/** One run of the compiler. */
export interface CompileRequest {
  /** The `asc` module, absolute. */
  readonly api: string;
  readonly argv: readonly string[];
  /** What relative names mean. */
  readonly folder: string;
  readonly env: Env;
  readonly signal: AbortSignal;
  /** Takes what the compiler or a transform prints to the console, by lines. */
  readonly onLine: (line: string) => void;
}

/**
 * Runs `asc` in a worker thread of this process: the compiler and the project's transforms keep their global state to
 * themselves, an abort ends them in the middle of their work, and a call of `process.exit` ends only them. Nothing is
 * written. Rejects with the signal's reason when aborted; every other end is a value.
 */
export async function compileAssemblyScript(request: CompileRequest): Promise<CompileResult> {
  const { api, argv, folder, signal } = request;
  // The compiler colours its output wherever CI is set; what it prints here goes through our own terminal.
  const { CI: _, ...env } = request.env;
  signal.throwIfAborted();
  const workerData = { api: pathToFileURL(api).href, argv, folder };
  const worker = new Worker(WORKER, { workerData, env, stdout: true, stderr: true, execArgv: [] });
  const flush = followLines(worker, request.onLine);
  const stop = (): void => void worker.terminate();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const result = await outcome(worker);
    signal.throwIfAborted();
    return result;
  } finally {
    signal.removeEventListener("abort", stop);
    await worker.terminate();
    flush();
  }
}

/** Beside the command's own entry, the same place seen from `src/` and from `dist/`. */
const WORKER = new URL("../../../bin/asc-worker.mjs", import.meta.url);

function outcome(worker: Worker): Promise<CompileResult> {
  return new Promise((resolve) => {
    const fail = (error: string): void => resolve({ wasm: undefined, diagnostics: [], files: [], text: "", error });
    worker.once("message", (result: CompileResult) => resolve(result));
    worker.once("error", (error) => fail(messageOf(error)));
    worker.once("exit", (code) => fail(`the compiler ended by itself (exit code ${code})`));
  });
}

/** Passes on what the worker prints, line by line; the returned function passes on an unfinished last line. */
function followLines(worker: Worker, onLine: (line: string) => void): () => void {
  let rest = "";
  const take = (chunk: Buffer): void => {
    const lines = (rest + chunk.toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  };
  worker.stdout.on("data", take);
  worker.stderr.on("data", take);
  return () => {
    if (rest !== "") onLine(rest);
    rest = "";
  };
}
