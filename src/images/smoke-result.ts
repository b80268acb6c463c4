import type { LogLevel } from "../host/enums.ts";
import type { HostReport } from "../host/host-report.ts";
import type { ProfileName } from "../host/profile.ts";

/** What streams are sent through, and how. Structured-clonable. */
export interface SmokeRequest {
  readonly module: Uint8Array;
  /** Plugin configuration, handed to `proxy_on_configure`. */
  readonly config: string;
  readonly rootId: string;
  /** VM configuration, handed to `proxy_on_vm_start`. */
  readonly vmConfig: string;
  /**
   * Whether a connection is opened: instead of the requests, or when these end in a trap, because an SDK that knows HTTP
   * from TCP filters gives up when it is asked for the other kind. Default `never`.
   */
  readonly tcp?: "never" | "only" | "if-http-traps";
  /** Whose rules hold; default `envoy`. */
  readonly profile?: ProfileName;
}

/** Where a filter failed for good: a step of its start, or the name of a callback. */
export type SmokeStep = "load" | "instantiate" | "start" | "root-context" | "vm-start" | "configure" | "streams";

/** One line the filter logged. */
export interface SmokeLine {
  readonly level: LogLevel;
  readonly text: string;
  /** True when it is critical, or looks like what a language's run time writes before it gives up. */
  readonly panic: boolean;
}

/** What became of one stream. */
export interface SmokeStream {
  readonly name: string;
  /** Status the client got; absent when it got none. */
  readonly status?: number;
  /** True when the stream came to its end without being broken off. */
  readonly ended: boolean;
  /** Where the filter still held it when nothing more could happen. */
  readonly pausedIn: readonly string[];
  /** How often the request reached the upstream: once, not at all when the filter answers itself, twice is a fault. */
  readonly upstreamRequests: number;
}

/** What two streams through the embedded host showed. JSON-safe. */
export interface SmokeResult {
  /** `stuck`: a callback did not return. `crashed`: the thread ended, out of memory. */
  readonly outcome: "ran" | "refused" | "stuck" | "crashed";
  /** Of every outcome but `ran`: where, and in whose words (Envoy's when it is refused). */
  readonly failure?: { readonly step: SmokeStep; readonly callback?: string; readonly message: string };
  readonly streams: readonly SmokeStream[];
  /** Each kind once per callback. */
  readonly reports: readonly HostReport[];
  /** The first lines of level `warn` and above, and those that look like a panic. */
  readonly lines: readonly SmokeLine[];
  /** Imports (`env.proxy_log`) that were called by the start section, by `_initialize`, `_start` or `main`, and later. */
  readonly sectionCalls: readonly string[];
  readonly startCalls: readonly string[];
  readonly calls: readonly string[];
  /** Pages of 64 KiB at the end. */
  readonly memoryPages: number;
  /** Whole milliseconds, the thread's start included. */
  readonly durationMs: number;
}
