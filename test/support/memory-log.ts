import { messageOf } from "../../src/domain/errors.ts";
import type { Log, LogFields, LogLevel } from "../../src/platform/json-log.ts";

/** One entry of a log. */
export interface MemoryEntry {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

/** A log that keeps what it was told. */
export interface MemoryLog extends Log {
  readonly entries: MemoryEntry[];
  /** All of it, for a failing test's message. */
  text(): string;
}

export function memoryLog(entries: MemoryEntry[] = [], own: LogFields = {}): MemoryLog {
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void =>
      void entries.push({ level, message, fields: { ...own, ...fields } });
  return {
    entries,
    text: () =>
      entries.map(({ level, message, fields }) => `${level} ${message} ${messageOf(fields["error"] ?? "")}`).join("\n"),
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => memoryLog(entries, { ...own, ...fields }),
  };
}
