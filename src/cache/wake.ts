import { aborted } from "../platform/abort.ts";
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
    const end = (): void => over.abort();
    this.#ring = end;
    // Not `AbortSignal.any`: what hangs on a signal that lives as long as the program is kept by some releases of Node.
    signal.addEventListener("abort", end, { once: true });
    if (this.#pending) end();
    try {
      await (ms === undefined ? aborted(over.signal) : clock.sleep(ms, over.signal));
    } catch (error) {
      if (!over.signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", end);
      this.#pending = false;
    }
    signal.throwIfAborted();
  }
}
