import { setTimeout as delay } from "node:timers/promises";
import { LONGEST_MS } from "./timer.ts";

/** Time, injected so that tests need not wait. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Waits `ms` milliseconds; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A clock that also measures: what decides by durations must not believe a wall clock that somebody sets. */
export interface SteadyClock extends Clock {
  /** Milliseconds since some moment in the past; never goes back or jumps. */
  elapsed(): number;
}

/** The machine's clock. */
export const systemClock: SteadyClock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: async (ms, signal) => {
    signal?.throwIfAborted();
    try {
      let left = ms;
      do {
        await delay(Math.min(left, LONGEST_MS), undefined, signal === undefined ? {} : { signal });
        left -= LONGEST_MS;
      } while (left > 0);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  },
};
