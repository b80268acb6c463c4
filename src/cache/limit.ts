/** So many pieces of work at a time; the others wait in the order they came. */
export class Limit {
  readonly #waiting: (() => void)[] = [];
  readonly #most: number;
  #free: number;

  constructor(most: number) {
    this.#most = most;
    this.#free = most;
  }

  /** True while something is done. */
  get isBusy(): boolean {
    return this.#free < this.#most;
  }

  /** Throws what `work` throws, and the signal's reason when its turn comes after the abort. */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

/** A {@link Limit} for each of many: one that is slow holds up nobody else. */
export class Limits {
  readonly #limits = new Map<string, Limit>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get isBusy(): boolean {
    return this.#limits.size > 0;
  }

  /** As {@link Limit.run} among those of the same key. */
  async run<T>(key: string, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const limit = this.#limits.get(key) ?? new Limit(this.#most);
    this.#limits.set(key, limit);
    try {
      return await limit.run(work, signal);
    } finally {
      if (!limit.isBusy) this.#limits.delete(key);
    }
  }
}
