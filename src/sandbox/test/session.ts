import type { CalloutPort } from "../../host/callout.ts";
import type { LogEntry } from "../../host/environment.ts";
import { Host } from "../../host/host.ts";
import type { Plugin } from "../../host/plugin.ts";
import type { HostModule } from "../../host/host-module.ts";
import type { HostReport } from "../../host/host-report.ts";
import type { PluginConfig } from "../../host/plugin-config.ts";
import type { ProfileName } from "../../host/profile.ts";
import type { TraceEvent } from "../../host/trace.ts";
import { seededRandom, VirtualTime } from "./virtual-time.ts";

/** How a session begins. */
export interface SessionOptions {
  readonly profile: ProfileName;
  readonly workers: number;
  /** Wall clock at the start, nanoseconds since 1970. */
  readonly start: bigint;
  readonly seed: number;
  readonly trace: boolean;
  readonly heartbeat?: Int32Array | undefined;
  /** Told of log and trace at once. */
  readonly live?: ((event: { readonly log: LogEntry } | { readonly trace: TraceEvent }) => void) | undefined;
  /** Made with the session's clock. */
  readonly callouts: (time: VirtualTime) => CalloutPort;
}

/** How waiting for something ended: `idle` is that nothing more will happen, `ticking` that only timers go on and on. */
export type RunEnd = "done" | "idle" | "ticking";

/** One host in virtual time, with everything it said. */
export class Session {
  readonly time: VirtualTime;
  readonly host: Host;
  readonly logs: LogEntry[] = [];
  readonly reports: HostReport[] = [];
  readonly trace: TraceEvent[] = [];
  readonly plugins: Plugin[] = [];
  /** Called whenever something has happened. */
  readonly watchers: Set<() => void> = new Set();
  readonly #live: SessionOptions["live"];

  constructor(options: SessionOptions) {
    this.time = new VirtualTime(options.start);
    this.#live = options.live;
    this.host = new Host({
      profile: options.profile,
      workers: options.workers,
      logLevel: "trace",
      environment: {
        clock: this.time,
        random: seededRandom(options.seed),
        log: (entry) => {
          this.logs.push(entry);
          this.#live?.({ log: entry });
        },
        callouts: options.callouts(this.time),
        report: (report) => void this.reports.push(report),
        ...(options.trace ? { trace: (event: TraceEvent) => this.#traced(event) } : {}),
        ...(options.heartbeat === undefined ? {} : { heartbeat: options.heartbeat }),
      },
    });
  }

  /** Starts a filter; the reason when it does not start. */
  start(module: HostModule, config: PluginConfig): { readonly reason: string; readonly message: string } | undefined {
    const result = this.host.start(module, config);
    if (!result.started) return result;
    this.plugins.push(result.plugin);
    return undefined;
  }

  /** Does what is due now, and lets everybody look after each thing. */
  settle(): void {
    do {
      while (this.host.settle() > 0) this.#notify();
      this.#notify();
    } while (this.time.runOne());
  }

  /** Moves the clock on from one due thing to the next, until `done` says so or nothing is left. */
  runUntil(done: () => boolean): RunEnd {
    let ticks = 0;
    for (;;) {
      this.settle();
      if (done()) return "done";
      const planned = this.time.nextDue();
      const timer = this.host.nextDue();
      const next = planned === undefined ? timer : timer === undefined || planned < timer ? planned : timer;
      if (next === undefined) return "idle";
      ticks = planned === undefined ? ticks + 1 : 0;
      if (ticks > MAX_TICKS) return "ticking";
      this.time.moveTo(next);
    }
  }

  /** Lets so much time pass, with all that falls due in it. */
  advance(nanoseconds: bigint): void {
    const end = this.time.monotonic() + nanoseconds;
    for (;;) {
      this.settle();
      const due = [this.time.nextDue(), this.host.nextDue()].filter((one) => one !== undefined && one <= end);
      if (due.length === 0) break;
      this.time.moveTo(
        due.reduce((first, one) => (one !== undefined && first !== undefined && one < first ? one : first)) ?? end,
      );
    }
    this.time.moveTo(end);
    this.settle();
  }

  #notify(): void {
    for (const watcher of this.watchers) watcher();
  }

  #traced(event: TraceEvent): void {
    this.#live?.({ trace: event });
    this.trace.push(event);
    if (this.trace.length > MAX_TRACE) this.trace.splice(0, MAX_TRACE / 2);
  }
}

/** Timers that fire this often while nothing else happens will not end what is waited for. */
const MAX_TICKS = 1000;
const MAX_TRACE = 20_000;
