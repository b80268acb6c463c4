import type { SteadyClock } from "../platform/clock.ts";

interface Kept<T> {
  readonly value: Promise<T>;
  /** In the steady clock's milliseconds; never before the answer is there. */
  until: number;
}

/** Remembers answers for a while; who asks meanwhile waits for the same one. A failure is not remembered. */
export class Memory<T> {
  readonly #clock: SteadyClock;
  readonly #forMs: (value: T) => number;
  readonly #most: number;
  readonly #onDrop: (value: T) => void;
  readonly #kept = new Map<string, Kept<T>>();

  /** `forMs`: how long an answer counts; `most`: answers kept at once, the one asked for longest ago goes first; `onDrop` is told of each that goes. */
  constructor(
    clock: SteadyClock,
    forMs: number | ((value: T) => number),
    { most = 10_000, onDrop = () => undefined }: { readonly most?: number; readonly onDrop?: (value: T) => void } = {},
  ) {
    this.#clock = clock;
    this.#forMs = typeof forMs === "number" ? () => forMs : forMs;
    this.#most = most;
    this.#onDrop = onDrop;
  }

  get(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#kept.get(key);
    if (known !== undefined && this.#clock.elapsed() < known.until) {
      this.#kept.delete(key);
      this.#kept.set(key, known);
      return known.value;
    }
    this.forget(key);
    const kept: Kept<T> = { value: ask(), until: Number.POSITIVE_INFINITY };
    this.#kept.set(key, kept);
    kept.value.then(
      (value) => {
        kept.until = this.#clock.elapsed() + this.#forMs(value);
      },
      () => {
        if (this.#kept.get(key) === kept) this.#kept.delete(key);
      },
    );
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#most) break;
      this.forget(oldest);
    }
    return kept.value;
  }

  forget(key: string): void {
    const kept = this.#kept.get(key);
    if (this.#kept.delete(key)) kept?.value.then(this.#onDrop, () => undefined);
  }

  /** Forgets all; `last` is told of each answer in place of `onDrop`. */
  clear(last: (value: T) => void): void {
    for (const { value } of this.#kept.values()) value.then(last, () => undefined);
    this.#kept.clear();
  }
}
