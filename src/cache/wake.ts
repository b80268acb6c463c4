import type { Clock } from "../platform/clock.ts";

/** A sleeper that others may wake, also before it sleeps. */
export class Wake {
  #pending = false;
  #ring: () => void = () => undefined;

  /** Ends the rest that is under way, or the next one. */
  now(): void {
    this.#pending = true;
    this.#ring();
  }

  /** Rests for `ms` milliseconds, for ever when absent, or until it is woken. Throws the signal's reason. */
  async rest(clock: Clock, ms: number | undefined, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const over = new AbortController();
    const both = AbortSignal.any([over.signal, signal]);
    this.#ring = () => over.abort();
    if (this.#pending) over.abort();
    try {
      await (ms === undefined ? aborted(both) : clock.sleep(ms, both));
    } catch (error) {
      signal.throwIfAborted();
      if (!over.signal.aborted) throw error;
    } finally {
      this.#pending = false;
      over.abort();
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
