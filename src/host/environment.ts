import type { CalloutPort } from "./callout.ts";
import type { LogLevel } from "./enums.ts";
import type { ForeignFunctions } from "./foreign.ts";
import type { ReportSink } from "./host-report.ts";
import type { TraceSink } from "./trace.ts";

/** Times in nanoseconds. */
export interface HostClock {
  /** Since 1970. */
  now(): bigint;
  /** From any start; never goes back. Timers and durations count with it. */
  monotonic(): bigint;
}

/** One line a guest wrote, or the host about it. */
export interface LogEntry {
  readonly level: LogLevel;
  readonly text: string;
  /** `log` is `proxy_log`; `stdout` and `stderr` are what WASI's `fd_write` makes of the two; `host` is the host itself. */
  readonly source: "log" | "stdout" | "stderr" | "host";
  /** Absent while the module starts. */
  readonly plugin: { readonly name: string; readonly rootId: string; readonly vmId: string } | undefined;
  readonly contextId: number | undefined;
  /** True for a stream's context, false for the root's. */
  readonly stream: boolean;
}

/**
 * The outside world of a host, all of it. The host is synchronous and starts nothing by itself: no timer, no thread, no
 * socket. Whoever drives it asks for what is due (`Host.nextDue`, `Host.settle`).
 */
export interface HostEnvironment {
  readonly clock: HostClock;
  /** Fills the bytes (`random_get`). */
  readonly random: (target: Uint8Array) => void;
  /** Takes every line at or above `logLevel`. */
  readonly log: (entry: LogEntry) => void;
  /** Where callouts go; without it every cluster is unknown. */
  readonly callouts?: CalloutPort;
  /** What guests may call by name beside what the host has itself (`set_envoy_filter_state` and the like). */
  readonly foreign?: ForeignFunctions;
  readonly report?: ReportSink;
  /** Every call in both directions; costs time, so absent by default. */
  readonly trace?: TraceSink;
  /**
   * `heartbeat[0]` counts up by one when the outermost call into a guest begins and again when it ends, so it is odd while
   * a guest runs: a watchdog in another thread that sees it odd and still knows that the guest hangs.
   */
  readonly heartbeat?: Int32Array;
}
