import type { SteadyClock } from "../platform/clock.ts";

interface Kept<T> {
  readonly value: Promise<T>;
  readonly at: number;
}

/** Remembers answers for a while; who asks meanwhile waits for the same one. A failure is not remembered. */
export class Memory<T> {
  readonly #clock: SteadyClock;
  readonly #forMs: number;
  readonly #most: number;
  readonly #kept = new Map<string, Kept<T>>();

  /** `most`: answers kept at once, the oldest go first. */
  constructor(clock: SteadyClock, forMs: number, most = 10_000) {
    this.#clock = clock;
    this.#forMs = forMs;
    this.#most = most;
  }

  get(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#kept.get(key);
    if (known !== undefined && this.#clock.elapsed() - known.at < this.#forMs) return known.value;
    const value = ask();
    const kept = { value, at: this.#clock.elapsed() };
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#most) break;
      this.#kept.delete(oldest);
    }
    value.catch(() => {
      if (this.#kept.get(key) === kept) this.#kept.delete(key);
    });
    return value;
  }

  forget(key: string): void {
    this.#kept.delete(key);
  }
}
