import { WasmeError } from "../domain/errors.ts";
import { type Sweep, sweep } from "./sweep.ts";

/** The longest pause between two tries: it is not only this moment. Milliseconds. */
export const LONGEST_MS = 60_000;

interface Trouble {
  readonly message: string;
  readonly pauseMs: number;
  /** Nobody tries before, in the steady clock's milliseconds. */
  readonly until: number;
}

/**
 * Sweeps for FilterDeployments that go on whatever comes of it: what stays behind may be another one's, and what keeps it
 * there (a policy, a right) must not hold up everybody of its namespace.
 */
export class PatientSweep {
  /** By namespace. */
  readonly #troubles = new Map<string, Trouble>();

  /** Milliseconds after which it is worth another try, up to {@link LONGEST_MS}; `undefined`: nothing is left behind. */
  async run(sweeping: Sweep): Promise<number | undefined> {
    const { deps, namespace, cluster } = sweeping;
    const before = this.#troubles.get(namespace);
    const now = deps.clock.elapsed();
    if (before !== undefined && now < before.until) return before.pauseMs;
    try {
      await sweep(sweeping);
      this.#troubles.delete(namespace);
      return undefined;
    } catch (error) {
      if (!(error instanceof WasmeError) || cluster.signal?.aborted === true || error.code === "LEADER_LOST")
        throw error;
      const { message } = error;
      if (before?.message !== message)
        deps.log.warn(`something that nothing needs stays for now: ${namespace}`, { error });
      const pauseMs = before === undefined ? FIRST_MS : Math.min(2 * before.pauseMs, LONGEST_MS);
      this.#troubles.set(namespace, { message, pauseMs, until: now + pauseMs });
      return pauseMs;
    }
  }
}

/** Most of what fails has passed by then: somebody was quicker, a server was away. Doubled each time. Milliseconds. */
const FIRST_MS = 200;
