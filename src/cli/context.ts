import type { EventSink } from "../domain/events.ts";
import type { SteadyClock } from "../platform/clock.ts";
import type { Env } from "../platform/env.ts";
import type { Paths } from "../platform/paths.ts";
import type { ProcessRunner } from "../platform/process-runner.ts";
import type { Terminal } from "../platform/terminal.ts";

/** How a result is printed. */
export type OutputFormat = "text" | "json" | "yaml" | "name";

/** The options every command has. */
export interface GlobalOptions {
  readonly output: OutputFormat;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly progress: boolean;
  /** False under `--no-input`: no prompt, ever. */
  readonly input: boolean;
  /** Answers yes to confirmations. */
  readonly yes: boolean;
  /** `undefined` leaves the choice to the environment. */
  readonly color: boolean | undefined;
}

/** The outside world, handed to every command; tests hand in another. */
export interface Context {
  readonly terminal: Terminal;
  readonly events: EventSink;
  readonly clock: SteadyClock;
  readonly exec: ProcessRunner;
  readonly env: Env;
  readonly paths: Paths;
  readonly cwd: string;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly global: GlobalOptions;
}
