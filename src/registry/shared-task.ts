/**
 * One piece of work that several callers wait for, each with its own abort signal: one caller's abort rejects that
 * caller alone. The work itself is aborted when nobody waits for it any more.
 */
export class SharedTask<T> {
  readonly #stop = new AbortController();
  /** For who neither waits nor leaves. */
  readonly result: Promise<T>;
  #waiting = 0;

  /** Starts the work at once; its signal is aborted when the last caller has left. */
  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.result = work(this.#stop.signal);
    this.result.catch(() => undefined); // told to those who wait
  }

  /** True when everybody left before the end: the work is lost, nobody may join it any more. */
  get isAbandoned(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Waits for the result; an abort of `signal` rejects with its reason. */
  async join(signal?: AbortSignal): Promise<T> {
    if (signal === undefined) {
      this.#waiting += 1; // never leaves
      return this.result;
    }
    signal.throwIfAborted();
    this.#waiting += 1;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting -= 1;
        if (this.#waiting === 0) this.#stop.abort(signal.reason);
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", leave, { once: true });
      const end = (): void => signal.removeEventListener("abort", leave);
      this.result.then(resolve, reject).finally(end);
    });
  }
}
