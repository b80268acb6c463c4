import type { HttpCallout } from "../host/callout.ts";
import type { HostClock, HostEnvironment } from "../host/environment.ts";
import { HeaderMap } from "../host/header-map.ts";
import type { Host } from "../host/host.ts";
import type { Plugin } from "../host/plugin.ts";
import type { SmokeRecorder } from "./smoke-recorder.ts";

/** A started filter and what lies around it. */
export interface SmokeStage {
  readonly host: Host;
  readonly plugin: Plugin;
  readonly world: SmokeWorld;
}

/** What lies around a filter: time stands still until it is moved, callouts are answered with an empty 200. */
export class SmokeWorld {
  readonly environment: HostEnvironment;
  readonly clock: HostClock;
  readonly #callouts: HttpCallout[] = [];
  // Go's run time takes a clock that says 0 for broken.
  #now = 3_600_000_000_000n;

  constructor(recorder: SmokeRecorder, heartbeat: Int32Array | undefined) {
    const start = BigInt(Date.now()) * 1_000_000n;
    this.clock = { now: () => start + this.#now, monotonic: () => this.#now };
    this.environment = {
      clock: this.clock,
      random,
      log: (entry) => recorder.log(entry),
      report: (report) => recorder.report(report),
      trace: (event) => recorder.trace(event),
      callouts: {
        http: (call) => {
          this.#callouts.push(call);
          return "sent";
        },
      },
      ...(heartbeat === undefined ? {} : { heartbeat }),
    };
  }

  /** Answers callouts and lets timers fire, one after the other, until `done` or nothing is left to happen. */
  turn(host: Host, done: () => boolean): void {
    for (let rounds = 0; rounds < MAX_ROUNDS && !done(); rounds += 1) {
      const call = this.#callouts.shift();
      const due = host.nextDue();
      if (call !== undefined) {
        const headers = new HeaderMap("response", [[":status", "200"]]);
        call.answer({ headers, body: new Uint8Array(0), trailers: undefined });
      } else if (due === undefined) {
        host.settle();
        return;
      } else if (due > this.#now) this.#now = due;
      host.settle();
    }
  }
}

/** Bytes that look random and are the same every time. */
export function random(target: Uint8Array): void {
  for (let at = 0; at < target.length; at += 1) target[at] = (at * 151 + 89) & 0xff;
}

/** Text as bytes. */
export function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Where everybody is. */
export const ADDRESS = { address: "127.0.0.1", port: 8080 };

/** Callouts and timers that may come one after another before a stream counts as forgotten. */
const MAX_ROUNDS = 20;
