import type { AccessRecord } from "../../../hub/access-record.ts";
import type { LogEntry, ServerLog } from "../../../hub/serve-registry.ts";
import type { Style } from "../../../platform/terminal.ts";
import type { Context } from "../../context.ts";

/**
 * The log of a server on stderr: for people on a terminal, else one JSON object a line; the latter under `-o json`, too.
 * `--quiet` leaves the warnings.
 */
export function createServerLog(context: Context): ServerLog {
  const { terminal, global, events, clock } = context;
  const { stderr } = terminal;
  if (global.output === "json" || !stderr.isTerminal) {
    return (entry) => {
      if (global.quiet && entry.type !== "warning") return;
      stderr.write(`${JSON.stringify({ time: new Date(clock.now()).toISOString(), ...jsonOf(entry) })}\n`);
    };
  }
  return (entry) => {
    if (entry.type === "request") {
      const time = new Date(clock.now()).toTimeString().slice(0, 8);
      if (!global.quiet) stderr.write(`${time} ${requestLine(entry.record, stderr.style)}\n`);
    } else if (entry.type === "started") {
      events({ type: "milestone", message: entry.message });
      events({ type: "milestone", message: `Next: ${entry.next}` });
    } else {
      const { message, hint } = entry;
      events({ type: "warning", message, ...(hint === undefined ? {} : { hint }) });
    }
  };
}

function jsonOf(entry: LogEntry): object {
  if (entry.type === "request") return { level: "info", message: "request", ...entry.record };
  const { message } = entry;
  if (entry.type === "warning") return { level: "warn", message, hint: entry.hint };
  const { url, name } = entry.server;
  return { level: "info", message, url, name, next: entry.next };
}

function requestLine(record: AccessRecord, style: Style): string {
  const { method, path, status, ms, user, broken } = record;
  const paint = status >= 500 ? style.red : status >= 400 ? style.yellow : style.green;
  const end = [`${ms} ms`, ...(user === undefined ? [] : [user]), ...(broken ? ["broken off"] : [])].join(", ");
  return `${paint(String(status))} ${method} ${path} ${style.dim(end)}`;
}
