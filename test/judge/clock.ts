/** Time, as the judge's fake proxies see it: the machine's, or one that tests move by hand. Milliseconds. */
export interface JudgeClock {
  now(): number;
  sleep(ms: number): Promise<void>;
  /** Calls `act` once after `ms`; the returned function calls it off. */
  after(ms: number, act: () => void): () => void;
}

/** The machine's clock. */
export const machineClock: JudgeClock = {
  now: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  after: (ms, act) => {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  },
};

/** A clock that stands still until somebody moves it. */
export interface HandClock extends JudgeClock {
  /** Moves on; what falls due on the way happens in order, each at its own time. */
  advance(ms: number): void;
}

/** Who sleeps moves the clock on at once: one sleeper at a time, as one fetch is. */
export function handClock(): HandClock {
  let now = 0;
  const due = new Set<{ readonly at: number; readonly act: () => void }>();
  const advance = (ms: number): void => {
    const end = now + ms;
    for (;;) {
      const [next] = [...due].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at);
      if (next === undefined) break;
      due.delete(next);
      now = next.at;
      next.act();
    }
    now = end;
  };
  return {
    now: () => now,
    sleep: async (ms) => advance(ms),
    after: (ms, act) => {
      const entry = { at: now + ms, act };
      due.add(entry);
      return () => void due.delete(entry);
    },
    advance,
  };
}
