import type { SteadyClock } from "../platform/clock.ts";
import { createDelayHeap } from "./delay-heap.ts";
import { createRateLimits, type RateLimitOptions, type RateLimits } from "./rate-limits.ts";

/** How a key is added. */
export interface AddOptions {
  /** Higher goes first; 0 when absent. A key that waits keeps the highest it was added with. */
  readonly priority?: number;
  /** Not before so many milliseconds; of several adds the earliest counts. */
  readonly afterMs?: number;
}

/** The priority of what is only looked at because a program starts: changes go before it. */
export const LOW_PRIORITY = -100;

/** Told what happens to a queue, for metrics. Times in milliseconds. */
export interface QueueObserver {
  readonly depth?: (keys: number) => void;
  readonly added?: () => void;
  readonly retried?: () => void;
  /** A key was handed out after so long in the queue. */
  readonly taken?: (waitedMs: number, key: string) => void;
  /** A key was done after so long in work. */
  readonly done?: (workedMs: number, key: string) => void;
}

/** Knobs of {@link createQueue}. */
export interface QueueOptions extends RateLimitOptions {
  readonly clock: SteadyClock;
  readonly observer?: QueueObserver;
}

/** What was handed out. */
export interface TakenKey {
  readonly key: string;
  readonly priority: number;
}

/** A queue of keys to work on. A key is in it once, and never with two workers. */
export interface WorkQueue {
  /** Wants the key to be worked on. While it is in work, it is handed out again after `done`. Nothing after `close`. */
  add(key: string, options?: AddOptions): void;
  /** The same after a pause that grows with each call until `forget`, within a limit over all keys. */
  addRateLimited(key: string, options?: { readonly priority?: number }): void;
  /** The key did well. */
  forget(key: string): void;
  /** The next key; `undefined` once the queue is closed, also for who waits already. */
  take(): Promise<TakenKey | undefined>;
  /** Must be called for each key taken. */
  done(key: string): void;
  /** Keys that could be taken now. */
  readonly size: number;
  /** Keys in work. */
  readonly active: number;
  /** Hands out nothing more and drops what waits. */
  close(): void;
}

/**
 * A work queue with the semantics of client-go's and the priorities of controller-runtime's: adding is idempotent,
 * retries back off from 5 ms to 1000 s for each key, and all retries together are limited to 10 a second (burst 100).
 */
export function createQueue(options: QueueOptions): WorkQueue {
  return new Queue(options);
}

/** A key that is wanted. */
interface Waiting {
  priority: number;
  /** When it may be handed out, in the steady clock's milliseconds. */
  dueAt: number;
  /** Whether it can be taken: due, and not in work. */
  ready: boolean;
}

class Queue implements WorkQueue {
  readonly #clock: SteadyClock;
  readonly #observer: QueueObserver;
  readonly #limits: RateLimits;
  /** Every key that is wanted. */
  readonly #waiting = new Map<string, Waiting>();
  /** Those that can be taken, by priority, in order of arrival. */
  readonly #ready = new Map<number, Set<string>>();
  /** Times to look at keys again. Entries that no longer mean anything are left in it and skipped. */
  readonly #delayed = createDelayHeap();
  /** Keys in work, since when. */
  readonly #working = new Map<string, number>();
  readonly #takers: ((taken: TakenKey | undefined) => void)[] = [];
  #size = 0;
  #closed = false;
  #alarm: { readonly at: number; readonly abort: AbortController } | undefined;

  constructor(options: QueueOptions) {
    this.#clock = options.clock;
    this.#observer = options.observer ?? {};
    this.#limits = createRateLimits(() => options.clock.elapsed(), options);
  }

  get size(): number {
    return this.#size;
  }

  get active(): number {
    return this.#working.size;
  }

  add(key: string, { priority = 0, afterMs = 0 }: AddOptions = {}): void {
    if (this.#closed) return;
    this.#observer.added?.();
    const dueAt = this.#clock.elapsed() + Math.max(0, afterMs);
    const known = this.#waiting.get(key);
    if (known === undefined) {
      const waiting = { priority, dueAt, ready: false };
      this.#waiting.set(key, waiting);
      this.#schedule(key, waiting);
      return;
    }
    if (priority > known.priority) {
      if (known.ready) this.#bucket(known.priority).delete(key);
      known.priority = priority;
      if (known.ready) this.#bucket(priority).add(key);
    }
    if (!known.ready && dueAt < known.dueAt) {
      known.dueAt = dueAt;
      this.#schedule(key, known);
    }
  }

  addRateLimited(key: string, { priority = 0 }: { readonly priority?: number } = {}): void {
    if (this.#closed) return;
    this.#observer.retried?.();
    this.add(key, { priority, afterMs: this.#limits.delayOf(key) });
  }

  forget(key: string): void {
    this.#limits.forget(key);
  }

  take(): Promise<TakenKey | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#takers.push(resolve);
      this.#serve();
    });
  }

  done(key: string): void {
    const since = this.#working.get(key);
    if (since === undefined) return;
    this.#working.delete(key);
    this.#observer.done?.(this.#clock.elapsed() - since, key);
    const again = this.#waiting.get(key);
    if (again !== undefined) this.#schedule(key, again);
  }

  close(): void {
    this.#closed = true;
    this.#alarm?.abort.abort();
    this.#waiting.clear();
    this.#ready.clear();
    this.#setSize(0);
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  /** Makes a key ready, or sees to it that it will be looked at when it is due; one in work waits for `done`. */
  #schedule(key: string, waiting: Waiting): void {
    if (this.#working.has(key)) return;
    if (waiting.dueAt > this.#clock.elapsed()) {
      this.#delayed.push(waiting.dueAt, key);
      this.#setAlarm();
      return;
    }
    waiting.ready = true;
    this.#bucket(waiting.priority).add(key);
    this.#setSize(this.#size + 1);
    this.#serve();
  }

  /** Hands ready keys to those who wait for one. */
  #serve(): void {
    while (this.#takers.length > 0) {
      const taken = this.#pick();
      if (taken === undefined) return;
      this.#takers.shift()?.(taken);
    }
  }

  #pick(): TakenKey | undefined {
    let best: { readonly priority: number; readonly keys: Set<string> } | undefined;
    for (const [priority, keys] of this.#ready) {
      if (keys.size === 0) this.#ready.delete(priority);
      else if (best === undefined || priority > best.priority) best = { priority, keys };
    }
    const [key] = best?.keys ?? [];
    const waiting = key === undefined ? undefined : this.#waiting.get(key);
    if (best === undefined || key === undefined || waiting === undefined) return undefined;
    best.keys.delete(key);
    this.#waiting.delete(key);
    this.#setSize(this.#size - 1);
    const now = this.#clock.elapsed();
    this.#working.set(key, now);
    this.#observer.taken?.(now - waiting.dueAt, key);
    return { key, priority: best.priority };
  }

  #bucket(priority: number): Set<string> {
    const bucket = this.#ready.get(priority) ?? new Set();
    this.#ready.set(priority, bucket);
    return bucket;
  }

  #setSize(size: number): void {
    this.#size = size;
    this.#observer.depth?.(size);
  }

  /** One timer, for the earliest of the delayed keys. */
  #setAlarm(): void {
    const at = this.#delayed.next();
    if (at === undefined || (this.#alarm !== undefined && this.#alarm.at <= at)) return;
    this.#alarm?.abort.abort();
    const alarm = { at, abort: new AbortController() };
    this.#alarm = alarm;
    const wait = Math.min(Math.max(0, at - this.#clock.elapsed()), LONGEST_TIMER_MS);
    this.#clock.sleep(wait, alarm.abort.signal).then(
      () => {
        if (this.#alarm !== alarm) return;
        this.#alarm = undefined;
        this.#wake();
      },
      () => undefined, // replaced by an earlier one, or closed
    );
  }

  #wake(): void {
    const now = this.#clock.elapsed();
    for (let at = this.#delayed.next(); at !== undefined && at <= now; at = this.#delayed.next()) {
      const entry = this.#delayed.pop();
      const waiting = entry === undefined ? undefined : this.#waiting.get(entry.key);
      if (entry === undefined || waiting === undefined) continue;
      if (!waiting.ready && waiting.dueAt === entry.at) this.#schedule(entry.key, waiting);
    }
    this.#setAlarm();
  }
}

/** Timers of Node hold 24 days at most; looking once an hour costs nothing. */
const LONGEST_TIMER_MS = 3_600_000;
