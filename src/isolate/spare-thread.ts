import { type GuestThread, type ReadyThread, startThread } from "./guest-worker.ts";

/** Keeps one thread started ahead, for who cannot wait until one has started. */
export class SpareThread {
  readonly #birth: GuestThread;
  #thread: ReadyThread | undefined;
  #isClosed = false;

  constructor(birth: GuestThread) {
    this.#birth = birth;
  }

  /** Starts one, unless there is one. */
  prepare(): void {
    if (this.#isClosed || this.#thread !== undefined) return;
    const thread = startThread(this.#birth);
    this.#thread = thread;
    void thread.exited.then(() => {
      if (this.#thread === thread) this.#thread = undefined;
    });
  }

  /** The one that was started ahead, or a new one: its taker's, who ends it. */
  take(): ReadyThread {
    const thread = this.#thread ?? startThread(this.#birth);
    this.#thread = undefined;
    return thread;
  }

  /** Ends the one that was not taken; no more are started ahead. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#thread?.stop();
  }
}
