import type { HostClock } from "./environment.ts";

/**
 * Repeating timers, one per owner (a root context). They fire when {@link Timers.run} is called and not by themselves, so
 * that a test can move a virtual clock from one due time to the next.
 */
export class Timers {
  readonly #clock: Pick<HostClock, "monotonic">;
  readonly #timers = new Map<object, Timer>();

  constructor(clock: Pick<HostClock, "monotonic">) {
    this.#clock = clock;
  }

  /** Starts the owner's timer anew; 0 milliseconds switch it off. `fire` must not throw. */
  set(owner: object, periodMs: number, fire: () => void): void {
    if (periodMs === 0) {
      this.#timers.delete(owner);
      return;
    }
    const period = BigInt(periodMs) * NANOSECONDS_PER_MILLISECOND;
    this.#timers.set(owner, { period, due: this.#clock.monotonic() + period, fire });
  }

  /** Milliseconds between the owner's ticks, 0 when it has none. */
  period(owner: object): number {
    return Number((this.#timers.get(owner)?.period ?? 0n) / NANOSECONDS_PER_MILLISECOND);
  }

  /** When the next timer is due, in nanoseconds of the monotonic clock. */
  nextDue(): bigint | undefined {
    let next: bigint | undefined;
    for (const { due } of this.#timers.values()) if (next === undefined || due < next) next = due;
    return next;
  }

  /**
   * Fires what is due, the oldest first, each once; how many. The next period begins when the callback has returned, as in
   * Envoy: a clock that jumps over several periods makes one tick.
   */
  run(): number {
    const now = this.#clock.monotonic();
    const due = Array.from(this.#timers).filter(([, timer]) => timer.due <= now);
    due.sort(([, one], [, other]) => (one.due < other.due ? -1 : one.due > other.due ? 1 : 0));
    let fired = 0;
    for (const [owner, timer] of due) {
      if (this.#timers.get(owner) !== timer) continue;
      fired += 1;
      timer.fire();
      if (this.#timers.get(owner) === timer) timer.due = this.#clock.monotonic() + timer.period;
    }
    return fired;
  }
}

interface Timer {
  readonly period: bigint;
  due: bigint;
  readonly fire: () => void;
}

const NANOSECONDS_PER_MILLISECOND = 1_000_000n;
