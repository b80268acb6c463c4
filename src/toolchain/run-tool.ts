import type { EventSink } from "../domain/events.ts";
import type { Env } from "../platform/env.ts";
import type { ToolchainDeps } from "./runner.ts";

/** One call of a compiler or a build tool. */
export interface ToolCall {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment; that of `deps` when absent. */
  readonly env?: Env;
  /** Lines that are not for people (JSON, a closing "Finished"). */
  readonly hide?: (line: string) => boolean;
}

/** How a tool ended. */
export interface ToolResult {
  readonly ok: boolean;
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** `ENOENT` and the like when it could not be started. */
  readonly failure: string | undefined;
}

/** Runs a tool and passes its lines on as `output` events while it works. Rejects with the signal's reason only. */
export async function runTool(deps: ToolchainDeps, call: ToolCall, events: EventSink): Promise<ToolResult> {
  const { command, args, cwd, env = deps.env, hide = () => false } = call;
  events({ type: "debug", message: [command, ...args].join(" ") });
  const result = await deps.exec(command, args, {
    cwd,
    env,
    signal: deps.signal,
    maxOutput: MAX_OUTPUT,
    onLine: (line) => {
      if (!hide(line)) events({ type: "output", line });
    },
  });
  const { exitCode, stdout, stderr, failure } = result;
  return { ok: exitCode === 0, exitCode, stdout, stderr, failure };
}

/** The description of a big Rust workspace takes some megabytes. */
const MAX_OUTPUT = 64 * 1024 * 1024;
