import { type Bucket, createBucket } from "../controller/rate-limits.ts";
import type { SteadyClock } from "../platform/clock.ts";
import type { Log } from "../platform/json-log.ts";

/**
 * Keeps two who put the same object right, each in its own way (operators of two releases, say), from doing so without a
 * pause: the server, and every proxy that hears of it, would do nothing else.
 */
export class Contested {
  readonly #clock: SteadyClock;
  readonly #log: Log;
  /** By object; the one changed longest ago goes first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor({ clock, log }: { readonly clock: SteadyClock; readonly log: Log }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Milliseconds to leave an object alone that somebody else changed now: 0 unless that happens again and again. */
  pauseMs(key: string): number {
    const bucket = this.#buckets.get(key) ?? createBucket(() => this.#clock.elapsed(), LIMITS);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined && this.#buckets.size > MOST_OBJECTS) this.#buckets.delete(oldest);
    if (bucket.tryTake()) return 0;
    this.#log.debug(`${key} is changed by somebody else again and again: it is looked at every few seconds`);
    return PAUSE_MS;
  }
}

/** So many changes at once, then one in five seconds. */
const LIMITS = { burst: 20, perSecond: 1 / 5 };
const PAUSE_MS = 5000;
const MOST_OBJECTS = 1000;
