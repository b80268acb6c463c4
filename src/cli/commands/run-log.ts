import { durationText } from "../../domain/duration.ts";
import { assertNever } from "../../domain/errors.ts";
import { redact, redactDeep } from "../../domain/redact.ts";
import type { LogEntry } from "../../host/environment.ts";
import type { HostReport } from "../../host/host-report.ts";
import type { Style } from "../../platform/terminal.ts";
import type { AccessRecord } from "../../sandbox/run/access-observer.ts";
import type { CalloutRecord } from "../../sandbox/run/http-callouts.ts";
import type { RunLog, RunLogEntry } from "../../sandbox/run/run-log.ts";
import type { Context } from "../context.ts";
import { formatSize } from "../render/size.ts";

/**
 * The log of a run on stderr: for people on a terminal, else one JSON object a line; the latter under `-o json`, too.
 * `--quiet` leaves warnings and reports.
 */
export function createRunLog(context: Context): RunLog {
  const { terminal, global, clock } = context;
  const { stderr } = terminal;
  const now = (): Date => new Date(clock.now());
  const wanted = (entry: RunLogEntry): boolean => !global.quiet || entry.type === "warning" || entry.type === "report";
  if (global.output === "json" || !stderr.isTerminal) {
    return (entry) => {
      if (!wanted(entry)) return;
      stderr.write(`${JSON.stringify({ time: now().toISOString(), ...(redactDeep(jsonOf(entry)) as object) })}\n`);
    };
  }
  const print = textLog(context);
  return (entry) => {
    if (wanted(entry)) print(entry, now().toTimeString().slice(0, 8));
  };
}

function textLog({ terminal, events }: Context): (entry: RunLogEntry, time: string) => void {
  const { style } = terminal.stderr;
  const told = new Set<string>();
  let lastLog: string | undefined;
  const line = (text: string): void => terminal.stderr.write(`${text}\n`);
  return (entry, time) => {
    switch (entry.type) {
      case "started":
        events({ type: "milestone", message: entry.message });
        return events({ type: "milestone", message: `Next: ${entry.next}` });
      case "stopped":
        return events({ type: "milestone", message: entry.message });
      case "swapped":
        told.clear();
        return events({ type: "milestone", message: entry.message });
      case "warning":
        return events(entry);
      case "access":
        return line(`${style.dim(time)} ${accessText(entry.record, style)}`);
      case "callout":
        return line(`${style.dim(time)} ${calloutText(entry.record, style)}`);
      case "log":
        lastLog = entry.entry.text;
        return line(`${style.dim(time)} ${logText(entry.entry, style)}`);
      case "report":
        // Envoy logs a trap; the report of it has the same words.
        if (entry.report.message === lastLog) return undefined;
        return isNews(entry.report, told) ? line(`${style.dim(time)} ${reportText(entry.report, style)}`) : undefined;
      default:
        return assertNever(entry);
    }
  };
}

/** A mistake that every request brings anew is told once; faults always are. */
function isNews({ code, severity, plugin = "", callback = "" }: HostReport, told: Set<string>): boolean {
  if (severity === "fault") return true;
  const key = `${code} ${plugin} ${callback}`;
  if (told.has(key)) return false;
  told.add(key);
  return true;
}

function accessText(record: AccessRecord, style: Style): string {
  const { status, method, path, bytesOut, ms, details, flags, pausedIn, clientGone } = record;
  const paint = status >= 500 || status === 0 ? style.red : status >= 400 ? style.yellow : style.green;
  const end = [
    formatSize(bytesOut),
    durationText(ms),
    ...(details === undefined || details === "" || details === "via_upstream" ? [] : [details]),
    ...(flags === "" ? [] : [flags]),
    ...(clientGone ? ["client left"] : []),
    ...(pausedIn.length === 0 ? [] : [`paused in ${pausedIn.join(", ")}`]),
  ].join(", ");
  return `${paint(status === 0 ? "---" : String(status))} ${redact(method)} ${redact(path)} ${style.dim(redact(end))}`;
}

function calloutText({ cluster, request, answer, fault, ms }: CalloutRecord, style: Style): string {
  const method = valueOf(request.headers, ":method");
  const path = valueOf(request.headers, ":path");
  const status = answer === undefined ? style.red(fault ?? "failed") : valueOf(answer.headers, ":status");
  return `${style.cyan("→")} ${status} ${redact(method)} ${redact(path)} ${style.dim(`at ${cluster}, ${durationText(ms)}`)}`;
}

function logText({ level, text, plugin, source }: LogEntry, style: Style): string {
  const name = style.cyan(`[${plugin?.name ?? "filter"}]`);
  const words = redact(text).replaceAll("\n", "\n           ");
  const tag = level.padEnd(5);
  if (source === "host" && level !== "error" && level !== "critical") return `${name} ${style.dim(`${tag} ${words}`)}`;
  switch (level) {
    case "trace":
    case "debug":
      return `${name} ${style.dim(`${tag} ${words}`)}`;
    case "info":
      return `${name} ${tag} ${words}`;
    case "warn":
      return `${name} ${style.yellow(tag)} ${words}`;
    case "error":
    case "critical":
      return `${name} ${style.red(tag)} ${words}`;
    default:
      return assertNever(level);
  }
}

function reportText({ severity, code, message, plugin, callback }: HostReport, style: Style): string {
  const name = style.cyan(`[${plugin ?? "filter"}]`);
  const head = severity === "fault" ? style.red("fault") : style.yellow("note ");
  const where = callback === undefined ? code : `${code} in ${callback}`;
  return `${name} ${head} ${redact(message)} ${style.dim(`(${where})`)}`;
}

function valueOf(headers: readonly string[], name: string): string {
  const at = headers.indexOf(name);
  return at === -1 ? "" : (headers[at + 1] ?? "");
}

function jsonOf(entry: RunLogEntry): object {
  switch (entry.type) {
    case "started":
      return { level: "info", message: entry.message, url: entry.url, next: entry.next };
    case "stopped":
      return { level: "info", message: entry.message, requests: entry.requests };
    case "swapped": {
      const { message, savedToServedMs, compileMs } = entry;
      return { level: "info", message, savedToServedMs, compileMs };
    }
    case "warning":
      return { level: "warn", message: entry.message, hint: entry.hint };
    case "access":
      return { level: "info", message: "request", ...entry.record };
    case "callout": {
      const { cluster, request, answer, fault, ms } = entry.record;
      const [method, path] = [valueOf(request.headers, ":method"), valueOf(request.headers, ":path")];
      const status = answer === undefined ? undefined : Number(valueOf(answer.headers, ":status"));
      return { level: "info", message: "callout", cluster, method, path, status, fault, ms };
    }
    case "log": {
      const { level, text, source, plugin, contextId } = entry.entry;
      return { level, message: text, filter: plugin?.name, source, contextId };
    }
    case "report": {
      const { severity, code, message, plugin, callback, contextId } = entry.report;
      return { level: severity === "fault" ? "error" : "warn", message, code, filter: plugin, callback, contextId };
    }
    default:
      return assertNever(entry);
  }
}
