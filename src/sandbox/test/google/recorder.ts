import { seededRandom } from "../virtual-time.ts";
import type { HostEnvironment, LogEntry } from "../../../host/environment.ts";
import type { HostReport } from "../../../host/host-report.ts";
import type { TraceEvent } from "../../../host/trace.ts";

/** Writes down what a filter does, with a clock that stands still. */
export class Recorder {
  readonly logs: LogEntry[] = [];
  readonly reports: HostReport[] = [];
  readonly trace: TraceEvent[] = [];
  readonly environment: HostEnvironment;
  /** Nanoseconds since 1970. */
  readonly now: bigint;

  constructor(heartbeat: Int32Array | undefined, seconds: bigint | undefined) {
    // Go's runtime does not start at the epoch itself, so the tester stands a millisecond after it.
    this.now = seconds === undefined || seconds === 0n ? 1_000_000n : seconds * 1_000_000_000n;
    this.environment = {
      clock: { now: () => this.now, monotonic: () => this.now },
      random: seededRandom(1),
      log: (entry) => this.logs.push(entry),
      report: (report) => this.reports.push(report),
      trace: (event) => this.trace.push(event),
      ...(heartbeat === undefined ? {} : { heartbeat }),
    };
  }
}
