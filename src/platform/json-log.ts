import type { EventSink, ProgressEvent } from "../domain/events.ts";
import { messageOf, WasmeError } from "../domain/errors.ts";
import { escapeControls, redactDeep } from "../domain/redact.ts";

/** How important an entry is. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** What is told beside the message: JSON-safe values; an error may stand as it is. */
export type LogFields = Readonly<Record<string, unknown>>;

/** The log of a long-running program. Never throws. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same log with these fields in every entry. */
  with(fields: LogFields): Log;
}

/** Where lines go, and how much is told. */
export interface JsonLogOptions {
  /** Takes one line, its newline included: `terminal.stderr.write`. */
  readonly write: (line: string) => void;
  /** For the time of each entry. */
  readonly clock: { now(): number };
  /** The least important level that is written; `info` when absent. */
  readonly level?: LogLevel;
  /** In every entry. */
  readonly fields?: LogFields;
}

/**
 * One JSON object a line: `time` (ISO 8601), `level`, `msg`, then the fields. Secrets and control characters are taken
 * out, texts are cut at 4 KiB; an `error` field becomes message, code, hint and causes (and the stack of what is no
 * {@link WasmeError}: that is a bug).
 */
export function createJsonLog(options: JsonLogOptions): Log {
  const least = LEVELS.indexOf(options.level ?? "info");
  const build = (own: LogFields): Log => {
    const at =
      (level: LogLevel) =>
      (msg: string, fields: LogFields = {}): void => {
        if (LEVELS.indexOf(level) < least) return;
        const time = new Date(options.clock.now()).toISOString();
        options.write(lineOf({ ...RESERVED, ...own, ...fields, time, level, msg }));
      };
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      with: (fields) => build({ ...own, ...fields }),
    };
  };
  return build(options.fields ?? {});
}

/** Events of use cases as entries of a log; what only draws on a terminal (progress, spinners) is left out. */
export function logEvents(log: Log): EventSink {
  return (event: ProgressEvent) => {
    if (event.type === "milestone") log.info(event.message);
    else if (event.type === "warning") log.warn(event.message, event.hint === undefined ? {} : { hint: event.hint });
    else if (event.type === "debug") log.debug(event.message);
    else if (event.type === "output") log.debug(event.line);
    else if (event.type === "blob.done") {
      log.debug(`${event.direction} of ${event.digest} done`, { bytes: event.size });
    }
  };
}

/** A log that tells nobody. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => silentLog,
};

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
/** These keys come first in every line, whatever fields there are. */
const RESERVED = { time: "", level: "", msg: "" };
const LONGEST_TEXT = 4096;

function lineOf(entry: Readonly<Record<string, unknown>>): string {
  try {
    return `${escapeControls(JSON.stringify(redactDeep(plain(entry, 0))))}\n`;
  } catch (error) {
    const { time, level, msg } = entry;
    return `${JSON.stringify(redactDeep({ time, level, msg, lost: messageOf(error) }))}\n`;
  }
}

/** The value as JSON can hold it: errors spelt out, long texts cut, at most five levels deep. */
function plain(value: unknown, depth: number): unknown {
  if (typeof value === "string") return value.length > LONGEST_TEXT ? `${value.slice(0, LONGEST_TEXT)}…` : value;
  if (typeof value === "bigint" || typeof value === "symbol" || typeof value === "function") return String(value);
  if (typeof value !== "object" || value === null) return value;
  return depth > 5 ? "…" : plainObject(value, depth);
}

function plainObject(value: object, depth: number): unknown {
  if (value instanceof Error) return plain(errorFields(value), depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "no date" : value.toISOString();
  if (value instanceof Map) return plain(Object.fromEntries(value), depth);
  if (value instanceof Set) return plain([...value], depth);
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner, depth + 1)]));
}

function errorFields(error: Error): LogFields {
  const cause = error.cause === undefined ? {} : { cause: messageOf(error.cause) };
  if (!(error instanceof WasmeError)) return { message: error.message, ...cause, stack: error.stack ?? "" };
  const { code, hint, details } = error;
  return {
    message: error.message,
    code,
    ...(hint === undefined ? {} : { hint }),
    ...(details && { details }),
    ...cause,
  };
}
