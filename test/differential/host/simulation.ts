import type { HostClock } from "../../../src/host/environment.ts";

/** Virtual time: events in order, and a clock that never says the same twice. */
export class Simulation {
  readonly clock: HostClock;
  #now = 0;
  #ticks = 0n;
  #order = 0;
  readonly #events: { readonly at: number; readonly order: number; readonly action: () => void }[] = [];

  constructor() {
    const nanoseconds = (): bigint => BigInt(Math.round(this.#now * 1e6)) + this.#ticks++;
    this.clock = { now: () => 1_750_000_000_000_000_000n + nanoseconds(), monotonic: nanoseconds };
  }

  /** Does it so many milliseconds from now. */
  after(milliseconds: number, action: () => void): void {
    this.#events.push({ at: this.#now + milliseconds, order: this.#order++, action });
  }

  /**
   * Runs until nothing is left to do. After each event `settle` is called; `nextDue` says when it wants to be called
   * without one, in nanoseconds of the clock.
   */
  run(settle: () => void, nextDue: () => bigint | undefined): void {
    const start = this.clock.monotonic();
    for (let rounds = 0; rounds < MAX_EVENTS; rounds += 1) {
      const [event] = this.#events.toSorted((one, other) => one.at - other.at || one.order - other.order);
      if (event === undefined) return;
      const due = nextDue();
      const dueAt = due === undefined ? Infinity : Number(due - start) / 1e6 + 0.001;
      if (dueAt < event.at) this.#now = Math.max(this.#now, dueAt);
      else {
        this.#events.splice(this.#events.indexOf(event), 1);
        this.#now = Math.max(this.#now, event.at);
        event.action();
      }
      settle();
    }
    throw new Error("the simulation does not end");
  }
}

const MAX_EVENTS = 100_000;
