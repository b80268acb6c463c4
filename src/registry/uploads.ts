import type { Placement } from "../domain/content.ts";

interface Running {
  readonly placement: Promise<Placement>;
  /** Whose upload it is: it ends when that caller gives up. */
  readonly signal: AbortSignal | undefined;
}

/** The uploads of one client, under way or done: each blob goes to a repository once, however many want it there. */
export class Uploads {
  readonly #running = new Map<string, Running>();

  /**
   * What came of the upload `key`, or of `upload` when there is none. Everybody has the outcome of the one that runs, but
   * for an abort: that ends the upload for who asked for it, and the next one who waits uploads instead.
   */
  async once(key: string, upload: () => Promise<Placement>, signal: AbortSignal | undefined): Promise<Placement> {
    for (let other = this.#running.get(key); other !== undefined; other = this.#running.get(key)) {
      try {
        return await waitFor(other.placement, signal);
      } catch (error) {
        signal?.throwIfAborted();
        if (other.signal?.aborted !== true) throw error;
        this.#forget(key, other);
      }
    }
    const own = { placement: upload(), signal };
    this.#running.set(key, own);
    own.placement.catch(() => this.#forget(key, own));
    return own.placement;
  }

  /** What was uploaded under keys that start so may be gone. */
  forget(prefix: string): void {
    for (const key of this.#running.keys()) if (key.startsWith(prefix)) this.#running.delete(key);
  }

  #forget(key: string, upload: Running): void {
    if (this.#running.get(key) === upload) this.#running.delete(key);
  }
}

/** The same promise, for somebody who may leave. */
async function waitFor<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}
