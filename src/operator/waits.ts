import type { SteadyClock } from "../platform/clock.ts";

/** A wait of one FilterDeployment. */
interface Seen {
  /** The time its condition tells; absent: the status does not tell of it yet. */
  began: number | undefined;
  /** When it began by the steady clock, in milliseconds. */
  readonly since: number;
}

/**
 * How long FilterDeployments have been waiting. What a status says is taken once, for waits that began before this program
 * did: the wall clock may be set at any time, and what is in order is not late because of that.
 */
export class Waits {
  readonly #clock: SteadyClock;
  readonly #seen = new Map<string, Seen>();

  constructor(clock: SteadyClock) {
    this.#clock = clock;
  }

  /** Milliseconds since the wait of `key` began; `began`: epoch milliseconds by its status, which may not tell of it yet. */
  age(key: string, began: number | undefined): number {
    const now = this.#clock.elapsed();
    const known = this.#seen.get(key);
    if (known !== undefined && (known.began === began || (known.began === undefined && began !== undefined))) {
      known.began = began;
      return now - known.since;
    }
    const age = began === undefined ? 0 : Math.max(0, this.#clock.now() - began);
    this.#seen.set(key, { began, since: now - age });
    return age;
  }

  /** It waits no more. */
  forget(key: string): void {
    this.#seen.delete(key);
  }
}
