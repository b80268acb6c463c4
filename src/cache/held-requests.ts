import type { Digest } from "../domain/digest.ts";

/** How a wait ended. */
export type WaitEnd = "arrived" | "late" | "refused";

/** Requests for content that is not here yet. Their number is bounded; beyond it nobody is held. */
export class HeldRequests {
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #most: number;
  #count = 0;
  #closed = false;

  constructor(most: number) {
    this.#most = most;
  }

  /** How many are held now. */
  get count(): number {
    return this.#count;
  }

  /** Waits until content arrived, at most `ms` milliseconds or until the client is gone. */
  async wait(what: Digest | string, ms: number, signal: AbortSignal): Promise<WaitEnd> {
    if (this.#closed || this.#count >= this.#most || signal.aborted) return "refused";
    this.#count += 1;
    const waiters = this.#waiting.get(what) ?? new Set();
    this.#waiting.set(what, waiters);
    try {
      return await new Promise<WaitEnd>((resolve) => {
        const end = (how: WaitEnd): void => {
          clearTimeout(timer);
          waiters.delete(ring);
          signal.removeEventListener("abort", leave);
          resolve(how);
        };
        const ring = (): void => end(this.#closed ? "refused" : "arrived");
        const leave = (): void => end("refused");
        const timer = setTimeout(() => end("late"), ms);
        waiters.add(ring);
        signal.addEventListener("abort", leave, { once: true });
      });
    } finally {
      this.#count -= 1;
      if (waiters.size === 0 && this.#waiting.get(what) === waiters) this.#waiting.delete(what);
    }
  }

  /** Lets those go on who wait for this. */
  arrived(what: Digest | string): void {
    for (const ring of this.#waiting.get(what) ?? []) ring();
  }

  /** Nobody is held from now on, and who is goes on. */
  close(): void {
    this.#closed = true;
    for (const waiters of this.#waiting.values()) for (const ring of waiters) ring();
  }
}
