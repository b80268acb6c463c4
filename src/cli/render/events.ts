import type { EventSink } from "../../domain/events.ts";
import { redact } from "../../domain/redact.ts";
import { type Env, envFlag } from "../../platform/env.ts";
import type { Channel } from "../../platform/terminal.ts";
import type { GlobalOptions } from "../context.ts";
import { plainRenderer } from "./events/plain.ts";
import { ttyRenderer } from "./events/tty.ts";

/** Shows events on stderr; `close` takes a live display away, after it nothing is drawn. */
export interface EventRenderer {
  readonly sink: EventSink;
  readonly close: () => void;
}

/** Live bars on a terminal, one line per milestone elsewhere, nothing but warnings under `--quiet`. */
export function createEventRenderer(
  stderr: Channel,
  global: Pick<GlobalOptions, "quiet" | "verbose" | "progress">,
  env: Env,
): EventRenderer {
  const live = stderr.isTerminal && global.progress && !envFlag(env, "CI") && env["TERM"] !== "dumb";
  const renderer = live && !global.quiet ? ttyRenderer(stderr) : plainRenderer(stderr);
  const started = performance.now();
  const sink: EventSink = (event) => {
    if (event.type === "debug") {
      if (global.verbose) renderer.line(stderr.style.dim(`[${elapsed(started)}] ${redact(event.message)}`));
    } else if (!global.quiet) {
      renderer.show(event);
    }
  };
  return { sink, close: () => renderer.close() };
}

function elapsed(started: number): string {
  return `${((performance.now() - started) / 1000).toFixed(2)}s`;
}
