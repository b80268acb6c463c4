import type { LogEntry } from "../../host/environment.ts";
import type { HostReport } from "../../host/host-report.ts";
import type { AccessRecord } from "./access-observer.ts";
import type { CalloutRecord } from "./http-callouts.ts";

/** One line of what a run tells while it serves. */
export type RunLogEntry =
  | { readonly type: "started"; readonly message: string; readonly url: string; readonly next: string }
  /** The run ended as it was asked to. */
  | { readonly type: "stopped"; readonly message: string; readonly requests: number }
  | { readonly type: "access"; readonly record: AccessRecord }
  /** A line of a filter, or of the host about it. */
  | { readonly type: "log"; readonly entry: LogEntry }
  | { readonly type: "report"; readonly report: HostReport }
  | { readonly type: "callout"; readonly record: CalloutRecord }
  | { readonly type: "warning"; readonly message: string; readonly hint?: string }
  /** Another module serves from now on. Milliseconds; `savedToServedMs` is without the compiler's time. */
  | {
      readonly type: "swapped";
      readonly message: string;
      readonly savedToServedMs: number;
      readonly compileMs: number;
    };

/** Takes the lines of a run. Must not throw. */
export type RunLog = (entry: RunLogEntry) => void;
