/** A moment that is waited for. */
export interface Timer {
  /** It does not come any more; nothing when it came already. */
  stop(): void;
}

/** Calls `ring` once, after so many milliseconds: however many, which Node's own timers, that take 24 days, do not. */
export function startTimer(ms: number, ring: () => void): Timer {
  let timer: NodeJS.Timeout;
  const wait = (left: number): void => {
    timer = left > LONGEST_MS ? setTimeout(wait, LONGEST_MS, left - LONGEST_MS) : setTimeout(ring, left);
  };
  wait(ms);
  return { stop: () => clearTimeout(timer) };
}

/** A timer takes no more, and rings at once when it is asked to: `--timeout 9999h` means never, not always. */
export const LONGEST_MS: number = 2 ** 31 - 1;
