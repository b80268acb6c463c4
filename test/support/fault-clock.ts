import type { Clock } from "../../src/platform/clock.ts";

/** A clock whose waits end at once and are written down. */
export interface FakeClock extends Clock {
  /** Milliseconds, in order. */
  readonly waits: readonly number[];
  /** Moves the time on. */
  advance(ms: number): void;
}

/** Starts at the present, so that dates in answers make sense. */
export function fakeClock(): FakeClock {
  const waits: number[] = [];
  let now = Date.now();
  return {
    waits,
    now: () => now,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      waits.push(ms);
      now += ms;
      await Promise.resolve();
    },
    advance: (ms) => {
      now += ms;
    },
  };
}
