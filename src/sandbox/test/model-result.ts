import type { LogLevel } from "../../host/enums.ts";
import type { PausePlace } from "./model-expect.ts";

/** What came of one exchange, for a program to look at. */
export interface ExchangeResult {
  /** `undefined` when there was no response. */
  readonly status: number | undefined;
  /** What the client got. */
  readonly response: MessageSeen;
  /** What the upstream got; `undefined` when the request did not get through. */
  readonly upstream: MessageSeen | undefined;
  /** Why the stream was broken off. */
  readonly reset: string | undefined;
  /** `response.code_details`. */
  readonly details: string | undefined;
  /** Where it stood still, in order. */
  readonly paused: readonly PausePlace[];
  /** Lines written while it went on. */
  readonly logs: readonly LogLine[];
  /** Reports of the host. */
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  /** What the trap said, when the filter trapped. */
  readonly trap: string | undefined;
}

/** One half of an exchange. Headers by name in lower case, several values joined by a comma. */
export interface MessageSeen {
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array;
  /** The bytes as text. */
  readonly body: string;
  readonly trailers: Readonly<Record<string, string>>;
}

/** One line of the log. */
export interface LogLine {
  readonly level: LogLevel;
  readonly text: string;
}

/** What the host holds at some moment. */
export interface SessionState {
  /** All lines since it was opened. */
  readonly logs: readonly LogLine[];
  /** Counters and gauges by name; a histogram counts its samples. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Shared data of the filter's VM id, as text. */
  readonly shared: Readonly<Record<string, string>>;
  /** The virtual wall clock. */
  readonly time: string;
}
