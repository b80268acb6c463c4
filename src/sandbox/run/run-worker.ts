import { randomFillSync } from "node:crypto";
import type { HostEnvironment } from "../../host/environment.ts";
import type { LogLevel } from "../../host/enums.ts";
import type { HostModule } from "../../host/host-module.ts";
import { Host, type StartResult } from "../../host/host.ts";
import type { Plugin } from "../../host/plugin.ts";
import type { PluginConfig } from "../../host/plugin-config.ts";
import type { ProfileName } from "../../host/profile.ts";
import type { PropertyValue } from "../../host/stream-info.ts";
import { serveWorker, type WorkerScope } from "../../isolate/serve-worker.ts";
import { CoreCallouts } from "./core-callouts.ts";
import { RunCore } from "./run-core.ts";
import type { WireBatch } from "./wire-batch.ts";

/** What the worker of a run serves. */
export interface RunWorkerData {
  readonly module: HostModule;
  /** The chain, in the order requests meet it. */
  readonly plugins: readonly PluginConfig[];
  readonly profile: ProfileName;
  readonly logLevel: LogLevel;
  /** Names filters may call. */
  readonly clusters: readonly string[];
  readonly properties: ReadonlyMap<string, PropertyValue>;
  readonly upstreamAddress: string;
}

/** The first message to the worker. */
export interface StartQuestion {
  readonly start: RunWorkerData;
}

/** The answer to it. */
export type RunStart =
  | { readonly started: true }
  | { readonly started: false; readonly reason: string; readonly message: string };

/** What the clock of this machine says. */
const clock = {
  now: (): bigint => BigInt(Date.now()) * 1_000_000n,
  monotonic: (): bigint => process.hrtime.bigint(),
};

class RunWorker {
  readonly #data: RunWorkerData;
  readonly #host: Host;
  readonly #core: RunCore;
  readonly #filters: Plugin[] = [];
  #timer: NodeJS.Timeout | undefined;
  #due: bigint | undefined;

  constructor(scope: WorkerScope, data: RunWorkerData) {
    this.#data = data;
    const callouts = new CoreCallouts(data.clusters);
    const environment: HostEnvironment = {
      clock,
      random: pooledRandom(),
      log: (entry) => this.#core.log(entry),
      report: (report) => this.#core.report(report),
      callouts,
      heartbeat: scope.heartbeat,
    };
    this.#host = new Host({ environment, profile: data.profile, logLevel: data.logLevel });
    this.#core = new RunCore({
      filters: this.#filters,
      clock,
      random: environment.random,
      post: (batch, transfer) => scope.post(batch, transfer),
      // Asking is cheaper than running nothing.
      settle: () => (this.#host.nextDue() === undefined ? 0 : this.#host.settle()),
      callouts,
      properties: data.properties,
      upstreamAddress: data.upstreamAddress,
    });
  }

  start(): RunStart {
    try {
      for (const config of this.#data.plugins) {
        const result: StartResult = this.#host.start(this.#data.module, config);
        if (!result.started) return { started: false, reason: result.reason, message: result.message };
        this.#filters.push(result.plugin);
      }
      this.#host.settle();
      return { started: true };
    } finally {
      this.#turnOver();
    }
  }

  handle(batch: WireBatch): void {
    this.#core.handle(batch);
    this.#arm();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#host.stop();
    this.#core.flush();
  }

  #turnOver(): void {
    this.#core.sweep();
    this.#core.flush();
    this.#arm();
  }

  /** Sets the timer to what is due next in the host. */
  #arm(): void {
    const due = this.#host.nextDue();
    if (due === this.#due) return;
    this.#due = due;
    clearTimeout(this.#timer);
    if (due === undefined) return;
    const ms = Number((due - clock.monotonic()) / 1_000_000n) + 1;
    const ring = (): void => {
      this.#due = undefined;
      this.#host.settle();
      this.#turnOver();
    };
    this.#timer = setTimeout(ring, Math.max(0, Math.min(ms, MOST_MS)));
  }
}

/** Longer waits are taken in steps: what a timer can hold. */
const MOST_MS = 2_000_000_000;

/** Random bytes out of a stock: each fetch from the system costs more than all it is used for. */
function pooledRandom(): (target: Uint8Array) => void {
  const stock = new Uint8Array(4096);
  let used = stock.length;
  return (target) => {
    if (target.length > stock.length / 4) return void randomFillSync(target);
    if (used + target.length > stock.length) {
      randomFillSync(stock);
      used = 0;
    }
    target.set(stock.subarray(used, used + target.length));
    used += target.length;
  };
}

serveWorker((scope) => {
  let worker: RunWorker | undefined;
  return (message) => {
    if (worker === undefined) {
      worker = new RunWorker(scope, (message as StartQuestion).start);
      return worker.start();
    }
    if (message === "stop") return worker.stop();
    worker.handle(message as WireBatch);
  };
});
