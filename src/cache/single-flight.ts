/**
 * Work that is done once however many ask for it at the same time. Who joins takes the result; when the work fails for
 * the one who does it, those who joined do it themselves, one after the other: they may have other rights.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>();

  /** Throws what `work` throws, and the signal's reason. */
  async run(key: string, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const flight = this.#flights.get(key);
      if (flight === undefined) break;
      const joined = await until(flight, signal);
      if (joined !== undefined) return joined.result;
    }
    const own = work().finally(() => this.#flights.delete(key));
    this.#flights.set(key, own);
    return await own;
  }
}

/** `undefined` when it failed. Throws the signal's reason when that comes first. */
function until<T>(flight: Promise<T>, signal: AbortSignal): Promise<{ readonly result: T } | undefined> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason as Error);
    const end = (): void => signal.removeEventListener("abort", leave);
    signal.addEventListener("abort", leave, { once: true });
    flight
      .then(
        (result) => resolve({ result }),
        () => resolve(undefined),
      )
      .finally(end);
  });
}
