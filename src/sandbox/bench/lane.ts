import { HeaderMap } from "../../host/header-map.ts";
import type { HttpCallout } from "../../host/callout.ts";
import type { HostEnvironment } from "../../host/environment.ts";
import { Host } from "../../host/host.ts";
import type { HostModule } from "../../host/host-module.ts";
import type { HttpFilter } from "../../host/http-filter.ts";
import type { PluginConfig } from "../../host/plugin-config.ts";
import type { Plugin } from "../../host/plugin.ts";
import type { TraceSink } from "../../host/trace.ts";
import { BenchStream, type PreparedShape, STEPS } from "./bench-stream.ts";

/** A filter to measure. */
export interface BenchFilter {
  readonly module: HostModule;
  readonly config: PluginConfig;
}

/** The world around a measured filter. */
export interface LaneOptions {
  readonly prepared: PreparedShape;
  /** Milliseconds, as fine as can be: `performance.now`. */
  readonly now: () => number;
  readonly heartbeat?: Int32Array | undefined;
  readonly trace?: TraceSink | undefined;
}

/** A filter that could not be started, or whose VM went while it was measured. */
export class BenchFailure extends Error {
  override readonly name: string = "BenchFailure";
}

/** How many figures a batch gives: one a step, and one for the answers to callouts. */
export const FIGURES: number = STEPS.length + 1;

/** One of the filters that are measured side by side: sends streams through it, many at a time. */
export class Lane {
  /** Log lines written so far. */
  lines = 0;
  /** Callouts sent so far. */
  callouts = 0;
  /** A stream of the last batch, as it ended. */
  last: BenchStream | undefined;
  readonly #options: LaneOptions;
  readonly #host: Host | undefined;
  readonly #plugin: Plugin | undefined;
  #pending: HttpCallout[] = [];

  /** @param filter none measures the loop itself. Throws {@link BenchFailure}. */
  constructor(filter: BenchFilter | undefined, options: LaneOptions) {
    this.#options = options;
    if (filter === undefined) return;
    // Lines below `info` are dropped by default in Envoy too.
    this.#host = new Host({ environment: this.#environment(), profile: filter.module.profile, logLevel: "info" });
    const started = this.#host.start(filter.module, filter.config);
    if (!started.started) throw new BenchFailure(`the filter did not start: ${started.message}`);
    this.#plugin = started.plugin;
  }

  /** Pages of 64 KiB the guest has; 0 without a guest. */
  get pages(): number {
    return this.#plugin?.memoryPages() ?? 0;
  }

  /** The VM is gone. */
  get failed(): boolean {
    return this.#plugin?.failed === true;
  }

  /**
   * Sends so many streams through the filter, all of them step by step: every step is timed once for all streams, so that
   * looking at the clock costs nothing. Adds the milliseconds of each step to `times`. Throws {@link BenchFailure}.
   */
  batch(count: number, times: Float64Array): void {
    const { now } = this.#options;
    const streams = this.open(count, times);
    let before = now();
    const step = (index: number, run: (stream: BenchStream) => void): void => {
      for (const stream of streams) run(stream);
      const after = now();
      times[index] = (times[index] ?? 0) + after - before;
      before = this.#pending.length === 0 ? after : this.#answer(after, times);
    };
    step(1, (stream) => stream.requestHeaders());
    step(2, (stream) => stream.requestBody());
    step(3, (stream) => stream.requestTrailers());
    step(4, (stream) => stream.responseHeaders());
    step(5, (stream) => stream.responseBody());
    step(6, (stream) => stream.responseTrailers());
    step(7, (stream) => stream.log());
    step(8, (stream) => stream.delete());
    this.last = streams.at(-1);
    if (this.failed) throw new BenchFailure("the filter trapped while it was measured");
  }

  /** Makes streams that are open and have seen nothing yet. */
  open(count: number, times: Float64Array): BenchStream[] {
    const { now, prepared } = this.#options;
    const started = BigInt(Math.round(now() * 1e6));
    const streams = Array.from({ length: count }, () => new BenchStream(prepared, started));
    const before = now();
    for (const stream of streams) stream.create(this.#plugin?.createHttpFilter() ?? NOTHING);
    times[0] = (times[0] ?? 0) + now() - before;
    return streams;
  }

  /** Ends the filter. */
  stop(): void {
    this.#host?.stop();
  }

  /** Answers every callout under way with an empty 200, and those that come of it. When that was done. */
  #answer(before: number, times: Float64Array): number {
    for (let round = 0; round < MAX_ROUNDS && this.#pending.length > 0; round += 1) {
      const pending = this.#pending;
      this.#pending = [];
      for (const call of pending) call.answer({ headers: OK.clone(), body: new Uint8Array(0), trailers: undefined });
      this.#host?.settle();
    }
    const after = this.#options.now();
    times[STEPS.length] = (times[STEPS.length] ?? 0) + after - before;
    return after;
  }

  #environment(): HostEnvironment {
    const { now, heartbeat, trace } = this.#options;
    const nanoseconds = (): bigint => BigInt(Math.round(now() * 1e6));
    return {
      clock: { now: () => EPOCH + nanoseconds(), monotonic: nanoseconds },
      random: (target) => void target.fill(7),
      log: () => {
        this.lines += 1;
      },
      callouts: {
        http: (call) => {
          this.callouts += 1;
          this.#pending.push(call);
          return "sent";
        },
      },
      ...(heartbeat === undefined ? {} : { heartbeat }),
      ...(trace === undefined ? {} : { trace }),
    };
  }
}

/** 2026-01-01, in nanoseconds: measuring needs a clock that runs, not the right time. */
const EPOCH = 1_767_225_600_000_000_000n;
/** Callouts that bring about callouts, at most so often. */
const MAX_ROUNDS = 100;
const OK: HeaderMap = new HeaderMap("response", [[":status", "200"]]);

/** Stands where a filter would be, and costs what the loop costs. */
const NOTHING: HttpFilter = {
  attach: () => undefined,
  decodeHeaders: () => "continue",
  decodeData: () => "continue",
  decodeTrailers: () => "continue",
  decodeMetadata: () => undefined,
  encodeHeaders: () => "continue",
  encodeData: () => "continue",
  encodeTrailers: () => "continue",
  encodeMetadata: () => undefined,
  log: () => undefined,
  destroy: () => undefined,
};
