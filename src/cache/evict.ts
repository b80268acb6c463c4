import type { Digest } from "../domain/digest.ts";
import type { Log } from "../platform/json-log.ts";
import type { ContentFolder } from "./content-folder.ts";
import type { NodeState } from "./node-state.ts";
import type { EntryState, ReportBook } from "./report-book.ts";

/** What eviction looks at. */
export interface EvictorDeps {
  readonly modules: ContentFolder;
  readonly blobs: ContentFolder;
  readonly state: NodeState;
  readonly book: ReportBook;
  /** For so long a module is served on after nobody listed it any more. Milliseconds. */
  readonly lingerMs: number;
  /** False as long as the list is not known: nothing is unlisted then. */
  readonly listKnown: () => boolean;
  /** True while images are on their way: what belongs to them looks like nobody's. */
  readonly isPulling: () => boolean;
  /** Frees what was made of a module: copies. */
  readonly onEvicted: (module: Digest) => Promise<void>;
  readonly log: Log;
}

/**
 * Removes modules that nobody lists any more, once they were served on for long enough: proxies learn late. The time is
 * counted by what passes while this runs, not by the clock on the wall, and goes on after a restart.
 */
export class Evictor {
  readonly #deps: EvictorDeps;

  constructor(deps: EvictorDeps) {
    this.#deps = deps;
  }

  /** `passedMs` went by since the last time. Gives how many modules were removed. */
  async tick(passedMs: number): Promise<number> {
    const { state, lingerMs, listKnown } = this.#deps;
    if (!listKnown()) return 0;
    const unlisted = new Set(this.#unlisted());
    for (const module of state.lingered.keys()) if (!unlisted.has(module)) state.lingered.delete(module);
    let removed = 0;
    for (const module of unlisted) {
      const before = state.lingered.get(module);
      const lingered = before === undefined ? 0 : before + Math.max(0, passedMs);
      state.lingered.set(module, lingered);
      if (lingered < lingerMs || this.#mayBeMeant(module, "pulling", "failed")) continue;
      if (await this.#evict(module, `nobody lists it since ${Math.round(lingered / 1000)} s`)) removed += 1;
    }
    const forgotten = this.#forgetLost();
    if (removed > 0 || forgotten) await this.sweepBlobs();
    return removed;
  }

  /**
   * Frees at least so many bytes, if what nobody lists has them: the longest unlisted first, and nothing that was listed
   * a moment ago, since proxies learn late. Tells how many bytes such have.
   */
  async makeRoom(bytes: number): Promise<number> {
    const { state, modules, listKnown, lingerMs } = this.#deps;
    if (!listKnown()) return 0;
    const age = (module: Digest): number => state.lingered.get(module) ?? 0;
    const isMeant = (module: Digest): number => Number(this.#mayBeMeant(module, "failed"));
    const candidates = this.#unlisted()
      .filter((module) => !this.#mayBeMeant(module, "pulling"))
      .toSorted((one, other) => isMeant(one) - isMeant(other) || age(other) - age(one));
    let [freed, later] = [0, 0];
    for (const module of candidates) {
      if (freed >= bytes) break;
      const size = (await modules.check(module)) ?? 0;
      if (age(module) < Math.min(lingerMs, LEAST_LINGER_MS)) later += size;
      else if (await this.#evict(module, "its room is needed")) freed += size;
    }
    if (freed > 0) await this.sweepBlobs();
    return later;
  }

  /** Removes manifests, configurations and layers of images whose module is gone. */
  async sweepBlobs(): Promise<void> {
    const { blobs, state, isPulling } = this.#deps;
    if (isPulling()) return;
    const needed = new Set(
      [...state.images.values()].flatMap((image) => [image.manifest, ...image.blobs].map(({ digest }) => digest)),
    );
    for (const digest of blobs.digests()) if (!needed.has(digest)) await blobs.remove(digest);
  }

  /** Images whose module got lost and was not listed any more when it would have been fetched again. */
  #forgetLost(): boolean {
    const { state, modules } = this.#deps;
    const listed = this.#listed();
    const known = [...state.lingered.keys(), ...[...state.images.values()].map(({ module }) => module)];
    const lost = known.filter((module) => !modules.has(module) && !listed.has(module));
    for (const module of lost) state.forget(module);
    return lost.length > 0;
  }

  #unlisted(): readonly Digest[] {
    const listed = this.#listed();
    return this.#deps.modules.digests().filter((module) => !listed.has(module));
  }

  #listed(): ReadonlySet<Digest | undefined> {
    return new Set(this.#deps.book.lines().map(({ state }) => state.image?.module));
  }

  /** A module of which nobody remembers the image may be that of an entry which could not be looked up yet. */
  #mayBeMeant(module: Digest, ...states: readonly EntryState["state"][]): boolean {
    const { state, book } = this.#deps;
    if ([...state.images.values()].some((image) => image.module === module)) return false;
    return book
      .lines()
      .some(({ entry, state: now }) => now.image === undefined && entry.reference && states.includes(now.state));
  }

  /** False when it was listed again a moment ago. Between the look and the removal nothing else may happen. */
  async #evict(module: Digest, why: string): Promise<boolean> {
    const { modules, state, log, onEvicted } = this.#deps;
    if (this.#listed().has(module)) return false;
    const removal = modules.remove(module);
    state.forget(module);
    const bytes = await removal;
    await onEvicted(module);
    log.info("module evicted", { module, bytes, why });
    return true;
  }
}

/** For so long a module is served on even when its room is needed. Milliseconds. */
const LEAST_LINGER_MS = 60_000;
