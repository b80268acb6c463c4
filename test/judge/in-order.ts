import type { JudgeClock } from "./clock.ts";

/**
 * Does things later, each after a delay drawn anew, and never one before another that was asked for earlier. Timers that
 * are due at the same moment ring in any order, so a timer says only that one more is due, not which.
 */
export class InOrder {
  readonly #clock: Pick<JudgeClock, "now" | "after">;
  readonly #delayMs: () => number;
  readonly #waiting: (() => void)[] = [];
  #lastAt = 0;

  constructor(clock: Pick<JudgeClock, "now" | "after">, delayMs: () => number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  /** How many things are still to come. */
  get length(): number {
    return this.#waiting.length;
  }

  add(act: () => void): void {
    const now = this.#clock.now();
    this.#lastAt = Math.max(this.#lastAt, now + this.#delayMs());
    this.#waiting.push(act);
    this.#clock.after(this.#lastAt - now, () => this.#waiting.shift()?.());
  }
}
