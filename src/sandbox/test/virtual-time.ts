import type { HostClock } from "../../host/environment.ts";

/** Time that moves only when it is told to, and what is to be done when. Nanoseconds. */
export class VirtualTime implements HostClock {
  readonly #start: bigint;
  #elapsed = 0n;
  #entries: Entry[] = [];
  #order = 0;

  /** @param start the wall clock at the beginning, since 1970 */
  constructor(start: bigint) {
    this.#start = start;
  }

  now(): bigint {
    return this.#start + this.#elapsed;
  }

  monotonic(): bigint {
    return MONOTONIC_START + this.#elapsed;
  }

  /** Since the beginning. */
  get elapsed(): bigint {
    return this.#elapsed;
  }

  /** Runs the action when the clock has moved on by `delay`; those of one moment in the order they were asked for. */
  after(delay: bigint, run: () => void): () => void {
    this.#order += 1;
    const entry = { due: this.#elapsed + delay, order: this.#order, run };
    this.#entries.push(entry);
    return () => {
      this.#entries = this.#entries.filter((one) => one !== entry);
    };
  }

  /** How many actions wait. */
  get waiting(): number {
    return this.#entries.length;
  }

  /** When the next action is due, by the monotonic clock. */
  nextDue(): bigint | undefined {
    let next: bigint | undefined;
    for (const { due } of this.#entries) if (next === undefined || due < next) next = due;
    return next === undefined ? undefined : MONOTONIC_START + next;
  }

  /** Runs the one action that is due next, if it is due now; whether there was one. */
  runOne(): boolean {
    let first: Entry | undefined;
    for (const entry of this.#entries) {
      if (entry.due > this.#elapsed) continue;
      if (first === undefined || entry.due < first.due || (entry.due === first.due && entry.order < first.order)) {
        first = entry;
      }
    }
    if (first === undefined) return false;
    const chosen = first;
    this.#entries = this.#entries.filter((entry) => entry !== chosen);
    chosen.run();
    return true;
  }

  /** Moves on to a moment of the monotonic clock; never back. */
  moveTo(monotonic: bigint): void {
    const elapsed = monotonic - MONOTONIC_START;
    if (elapsed > this.#elapsed) this.#elapsed = elapsed;
  }
}

interface Entry {
  readonly due: bigint;
  readonly order: number;
  readonly run: () => void;
}

const MONOTONIC_START = 1_000_000_000_000n;

/** Random bytes that are the same for the same seed (mulberry32): for tests, not for secrets. */
export function seededRandom(seed: number): (target: Uint8Array) => void {
  let state = seed >>> 0;
  return (target) => {
    for (let at = 0; at < target.length; at += 1) {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      target[at] = (mixed ^ (mixed >>> 14)) & 0xff;
    }
  };
}
