import { Status } from "../../host/status.ts";
import type { TraceEvent } from "../../host/trace.ts";

/** Shown before and after the call that matters. */
const BEFORE = 6;
const AFTER = 4;

/**
 * The calls that tell most of a failed case: those around the first host call of a stream that was not answered Ok (or the
 * first trap), else the last ones.
 */
export function traceAround(whole: readonly TraceEvent[]): readonly TraceEvent[] {
  const trace = whole.filter((event) => event.type !== "call" || !LOGGING.has(event.name));
  const trap = trace.findIndex((event) => event.type === "return" && event.trap !== undefined);
  const refused = trace.findIndex((event) => event.type === "call" && event.status !== Status.ok && !isUsual(event));
  const at = trap === -1 ? refused : trap;
  if (at === -1) return beforeTheEnd(trace).slice(-(BEFORE + AFTER));
  return trace.slice(Math.max(0, at - BEFORE), at + AFTER + 1);
}

/** How a stream ends is no news; what it did before is. */
function beforeTheEnd(trace: readonly TraceEvent[]): readonly TraceEvent[] {
  const end = trace.findLastIndex((event) => event.type === "callback" && !ENDINGS.has(event.name));
  const next = trace.findIndex((event, at) => at > end && event.type === "callback");
  return next === -1 ? trace : trace.slice(0, next);
}

/** What they wrote is shown as the log. */
const LOGGING: ReadonlySet<string> = new Set(["proxy_log", "fd_write"]);

const ENDINGS: ReadonlySet<string> = new Set(["proxy_on_log", "proxy_on_done", "proxy_on_delete"]);

/** SDKs ask for what is not there as a matter of course while they start. */
function isUsual(event: Extract<TraceEvent, { type: "call" }>): boolean {
  return !event.name.startsWith("proxy_") || (event.status === Status.notFound && event.name === "proxy_get_property");
}
