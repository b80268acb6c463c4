import type { Clock } from "../platform/clock.ts";

/** Node's timers fire at once beyond this: 24 days. */
const LONGEST_MS = 2_147_483_647;

/**
 * Runs `work` with a signal that is aborted after `ms` milliseconds as well as with `signal`, and when `work` is done: what
 * it left running, such as a watch, must not keep the process alive. When the time is up first, the error of `late` is
 * thrown.
 */
export async function withDeadline<T>(
  within: {
    readonly clock: Clock;
    readonly ms: number;
    readonly signal?: AbortSignal | undefined;
    readonly late: () => Error;
  },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock, ms, signal, late } = within;
  const timer = new AbortController();
  const over = new AbortController();
  const both = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
  const ticking = clock
    .sleep(Math.min(ms, LONGEST_MS), timer.signal)
    .then(() => over.abort(late()))
    .catch(() => undefined);
  try {
    return await work(both);
  } finally {
    timer.abort();
    await ticking;
    over.abort();
  }
}
