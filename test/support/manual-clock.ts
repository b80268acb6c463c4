import type { SteadyClock } from "../../src/platform/clock.ts";

/** A clock that stands still until it is moved; what sleeps wakes in the order of its time. */
export interface ManualClock extends SteadyClock {
  /** Moves time on, waking who is due on the way; returns when nothing more happens by itself. */
  advance(ms: number): Promise<void>;
  /** Sets the wall clock: `elapsed` and sleepers do not care. */
  jump(ms: number): void;
  /** Milliseconds until each sleeper wakes, earliest first. */
  sleepers(): readonly number[];
}

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

export function manualClock(): ManualClock {
  let elapsed = 1000;
  let offset = Date.UTC(2026, 0, 1);
  let sleeping: Sleeper[] = [];
  const due = (until: number): Sleeper | undefined =>
    sleeping.filter(({ at }) => at <= until).toSorted((one, other) => one.at - other.at)[0];
  return {
    now: () => offset + elapsed,
    elapsed: () => elapsed,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const stop = (): void => {
          sleeping = sleeping.filter((other) => other !== sleeper);
          reject(signal?.reason as Error);
        };
        const wake = (): void => {
          signal?.removeEventListener("abort", stop);
          resolve();
        };
        const sleeper = { at: elapsed + Math.max(0, ms), wake };
        sleeping.push(sleeper);
        signal?.addEventListener("abort", stop);
      }),
    advance: async (ms) => {
      const until = elapsed + ms;
      await settled();
      for (let next = due(until); next !== undefined; next = due(until)) {
        const woken = next;
        sleeping = sleeping.filter((other) => other !== woken);
        elapsed = Math.max(elapsed, woken.at);
        woken.wake();
        await settled();
      }
      elapsed = until;
      await settled();
    },
    jump: (ms) => {
      offset += ms;
    },
    sleepers: () => sleeping.map(({ at }) => at - elapsed).toSorted((one, other) => one - other),
  };
}

/** Lets everything that waits for promises go on as far as it can. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
