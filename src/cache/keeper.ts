import type { Clock } from "../platform/clock.ts";
import type { Digest } from "../domain/digest.ts";
import type { Log } from "../platform/json-log.ts";
import type { CachedImage } from "./cached-image.ts";
import type { BroughtImage } from "./image-source.ts";
import type { ListEntry } from "./list-entry.ts";
import { judgeFailure } from "./pull-failure.ts";
import type { ReportBook } from "./report-book.ts";
import { Wake } from "./wake.ts";

/** What the list is kept with. */
export interface KeeperDeps {
  readonly clock: Clock & { elapsed(): number };
  readonly log: Log;
  readonly book: ReportBook;
  readonly source: {
    known(entry: ListEntry): CachedImage | undefined;
    bring(entry: ListEntry, signal: AbortSignal): Promise<BroughtImage>;
    /** Whether its module is on the node. */
    holds(image: CachedImage): Promise<boolean>;
    /** Fetches what is missing beside its module; false when that cannot be had now. */
    complete(entry: ListEntry, image: CachedImage, signal: AbortSignal): Promise<boolean>;
  };
  /** How often a reference without a digest is looked up again. Milliseconds. */
  readonly tagIntervalMs: number;
  readonly signal: AbortSignal;
}

/** Keeps what the list names on the node: one task for each entry; only those of one registry wait for each other. */
export class Keeper {
  readonly #deps: KeeperDeps;
  readonly #tasks = new Map<string, EntryTask>();
  readonly #running = new Set<Promise<void>>();

  constructor(deps: KeeperDeps) {
    this.#deps = deps;
  }

  /** Takes a new list: what is new is begun, what is no longer in it is left. */
  setEntries(entries: readonly ListEntry[]): void {
    const { book, signal } = this.#deps;
    const wanted = new Set(entries.map(({ id }) => id));
    for (const [id, task] of this.#tasks) {
      if (wanted.has(id)) continue;
      task.stop();
      this.#tasks.delete(id);
      book.remove(id);
    }
    for (const entry of entries) {
      if (this.#tasks.has(entry.id) || signal.aborted) continue;
      const task = new EntryTask(this.#deps, entry);
      this.#tasks.set(entry.id, task);
      const running = task.run().finally(() => this.#running.delete(running));
      this.#running.add(running);
    }
  }

  /** Once nothing is written any more; after the signal. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Tries again at once: everything that is not ready, what means this module, or what is listed under these keys. */
  wake(which: "unready" | { readonly module: Digest } | { readonly keys: ReadonlySet<string> }): void {
    const { book } = this.#deps;
    for (const [id, task] of this.#tasks) {
      const state = book.of(id);
      const meant =
        which === "unready"
          ? state?.state !== "ready"
          : "keys" in which
            ? which.keys.has(task.entry.key)
            : state?.image?.module === which.module;
      if (meant) task.wake();
    }
  }

  /** A module is not here any more: what means it is fetched again, and not ready until then. */
  lost(module: Digest): void {
    const { book } = this.#deps;
    for (const [id, task] of this.#tasks) {
      const { state, image } = book.of(id) ?? {};
      if (image?.module !== module) continue;
      if (state === "ready") book.set(task.entry, { state: "pulling", image });
      task.wake();
    }
  }

  /** Somebody asks for this module: what may mean it and waits for its next try need not wait any longer. */
  asked(module: Digest): void {
    const { book } = this.#deps;
    for (const [id, task] of this.#tasks) {
      const { state, image } = book.of(id) ?? {};
      if (state !== "ready" && (image === undefined || image.module === module)) task.nudge();
    }
  }
}

/** Brings one image and keeps it: again when it got lost, and for a tag whenever it moved. */
class EntryTask {
  readonly entry: ListEntry;
  readonly #deps: KeeperDeps;
  readonly #wake = new Wake();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #failures = 0;
  /** Whether a request may bring the next try forward: nobody who said no is asked for it. */
  #mayNudge = false;
  #failingSince: number | undefined;
  #triedAt = 0;

  constructor(deps: KeeperDeps, entry: ListEntry) {
    this.#deps = deps;
    this.entry = entry;
    this.#signal = AbortSignal.any([deps.signal, this.#stop.signal]);
  }

  stop(): void {
    this.#stop.abort(new DOMException("taken off the list", "AbortError"));
  }

  wake(): void {
    this.#failures = 0;
    this.#wake.now();
  }

  /**
   * As {@link wake}, but patience is not counted anew, and the less often the longer it failed: requests must not make a
   * registry be asked all the time, and never one that said no or that it is asked too much.
   */
  nudge(): void {
    const apart = Math.min(MOST_APART_MS, APART_MS * 2 ** Math.max(0, this.#failures - 1));
    if (this.#mayNudge && this.#deps.clock.elapsed() - this.#triedAt >= apart) this.#wake.now();
  }

  /** Ends when it is stopped; never throws. */
  async run(): Promise<void> {
    const { book, source, clock, log } = this.#deps;
    const { entry } = this;
    try {
      book.set(entry, { state: "pulling", image: source.known(entry) });
      for (;;) {
        const pause = await this.#bring();
        await this.#wake.rest(clock, pause, this.#signal);
      }
    } catch (error) {
      if (!this.#signal.aborted) log.error(`the task of ${entry.text} ended: this is a bug`, { error });
    }
  }

  /** One try. Gives the time until the next one. */
  async #bring(): Promise<number | undefined> {
    const { book, source, tagIntervalMs } = this.#deps;
    const { entry } = this;
    this.#triedAt = Number.POSITIVE_INFINITY;
    try {
      const { image, isNew } = await source.bring(entry, this.#signal);
      this.#signal.throwIfAborted();
      this.#failures = 0;
      this.#failingSince = undefined;
      book.set(entry, { state: "ready", image, isNew });
      // Until now nobody knew that the entry means this module: it may have been evicted this very moment.
      if (!(await source.holds(image))) return 0;
      const isWhole = await source.complete(entry, image, this.#signal);
      if (entry.reference?.digest === undefined) return jitter(tagIntervalMs);
      return isWhole ? undefined : jitter(COMPLETE_MS);
    } catch (error) {
      this.#signal.throwIfAborted();
      return await this.#failed(error);
    } finally {
      this.#triedAt = this.#deps.clock.elapsed();
    }
  }

  async #failed(error: unknown): Promise<number | undefined> {
    const { book, source, clock, log, tagIntervalMs } = this.#deps;
    const { entry } = this;
    this.#failures += 1;
    this.#failingSince ??= clock.elapsed();
    const { sort, message, retryMs, mayNudge } = judgeFailure(error, this.#failures);
    this.#mayNudge = mayNudge;
    log.warn(`cannot bring ${entry.text}`, { error, failures: this.#failures, retryMs: retryMs ?? null });
    const image = source.known(entry);
    const isTag = entry.reference !== undefined && entry.reference.digest === undefined;
    const isServed = isTag && image !== undefined && (await source.holds(image));
    this.#signal.throwIfAborted(); // its line went with it, and must not come back
    if (isServed) {
      // What the tag meant last is served on; the report says that nobody knows what it means now.
      book.set(entry, { state: "ready", image, error: message });
      return jitter(Math.max(retryMs ?? 0, tagIntervalMs));
    }
    const givenUp = sort !== "passing" || clock.elapsed() - this.#failingSince >= GIVE_UP_MS;
    book.set(entry, { state: givenUp ? "failed" : "pulling", image, error: message });
    return retryMs === undefined ? undefined : jitter(retryMs);
  }
}

/** After so long even what may pass any moment is reported as failed; it is tried on. Milliseconds. */
const GIVE_UP_MS = 5 * 60_000;

/**
 * Requests make a registry be asked at most once in so many milliseconds, twice that after the next failure and so on,
 * but always once while a proxy waits.
 */
const APART_MS = 3000;
const MOST_APART_MS = 15_000;

/** What is missing beside a module is tried again after so long. Milliseconds. */
const COMPLETE_MS = 10 * 60_000;

/** A tenth less or more, so that nodes do not ask all at the same time. */
function jitter(ms: number): number {
  return ms * (0.9 + Math.random() * 0.2);
}
