import { type ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type CliResult, spawnCli } from "./run-cli.ts";
import { tempDir } from "./temp-dir.ts";
import { filterModule, type FunctionSpec, type ModuleSpec } from "./wasm-builder.ts";

/** A line of a run's log. */
export type RunLine = Readonly<Record<string, unknown>>;

/** `wasme run` as it serves. */
export interface RunningCli {
  readonly url: string;
  readonly child: ChildProcess;
  readonly result: Promise<CliResult>;
  /** What it logged so far. */
  lines(): RunLine[];
  /** Waits for a line; throws when the program ends without it. */
  line(wanted: (line: RunLine) => boolean): Promise<RunLine>;
}

/** Starts `wasme run` on a free port and waits until it serves; it is ended with the test. */
export async function startRun(args: readonly string[], cwd: string = tempDir()): Promise<RunningCli> {
  const { child, result } = spawnCli(["run", ...args, "--listen", "127.0.0.1:0"], { home: cwd, cwd });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await result;
  });
  const lines: RunLine[] = [];
  let rest = "";
  let over = false;
  const waiting = new Set<() => void>();
  const wake = (): void => waiting.forEach((call) => call());
  child.stderr?.on("data", (text: string) => {
    rest += text;
    const parts = rest.split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) lines.push(part.startsWith("{") ? (JSON.parse(part) as RunLine) : { text: part });
    wake();
  });
  void result.then(() => {
    over = true;
    wake();
  });
  const line = async (wanted: (line: RunLine) => boolean): Promise<RunLine> => {
    for (;;) {
      const found = lines.find(wanted);
      if (found !== undefined) return found;
      if (over) throw new Error(`wasme run ended:\n${(await result).stderr}`);
      await new Promise<void>((resolve) => {
        const call = (): void => {
          waiting.delete(call);
          resolve();
        };
        waiting.add(call);
      });
    }
  };
  const started = await line((one) => one["url"] !== undefined);
  return { url: String(started["url"]), child, result, lines: () => [...lines], line };
}

/** Status, headers and body of one request; 0 when the connection broke. */
export async function fetchOnce(
  url: string,
  options: {
    readonly method?: string;
    readonly body?: string | Uint8Array;
    readonly headers?: Record<string, string>;
  } = {},
): Promise<{ readonly status: number; readonly headers: Record<string, unknown>; readonly body: string }> {
  return await new Promise((resolve) => {
    const call = request(url, { method: options.method ?? "GET", agent: false, headers: options.headers ?? {} });
    call.on("error", () => resolve({ status: 0, headers: {}, body: "" }));
    call.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      response.on("error", () => resolve({ status: 0, headers: response.headers, body }));
    });
    call.end(options.body);
  });
}

/** Writes a filter that does what the functions say and answers Continue elsewhere. */
export function writeFilter(dir: string, functions: readonly FunctionSpec[], more: Partial<ModuleSpec> = {}): string {
  const file = join(dir, "filter.wasm");
  writeFileSync(file, filterModule({ ...more, functions: [...functions] }));
  return file;
}

/** Bodies of functions that misbehave (WebAssembly instructions). */
export const MISBEHAVIOUR = {
  /** loop · br 0 · end · i32.const 0 */
  loop: [0x03, 0x40, 0x0c, 0x00, 0x0b, 0x41, 0x00],
  /** local.get 2 · if · loop · br 0 · end · end · i32.const 0: once end_of_stream is told */
  loopAtEnd: [0x20, 0x02, 0x04, 0x40, 0x03, 0x40, 0x0c, 0x00, 0x0b, 0x0b, 0x41, 0x00],
  /** unreachable */
  trap: [0x00],
  /** i32.const 1 · memory.grow · drop in a loop of 100,000, then unreachable: a filter that trusts the growth */
  grow: [0x03, 0x40, 0x41, 0x80, 0x08, 0x40, 0x00, 0x41, 0x7f, 0x47, 0x0d, 0x00, 0x0b, 0x00],
  /** i32.const 0: the filter's answer Continue */
  fine: [0x41, 0x00],
} as const;
