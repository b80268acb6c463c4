import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../domain/digest.ts";
import { messageOf } from "../domain/errors.ts";
import type { SteadyClock } from "../platform/clock.ts";
import type { Log } from "../platform/json-log.ts";
import { MODULE_SUFFIX } from "../mesh/module-path.ts";
import { ContentFolder } from "./content-folder.ts";
import { Evictor } from "./evict.ts";
import { GzipCopies } from "./gzip-copies.ts";
import { HeldRequests } from "./held-requests.ts";
import { ImageSource } from "./image-source.ts";
import { Keeper } from "./keeper.ts";
import { Limits } from "./limit.ts";
import type { ListEntry } from "./list-entry.ts";
import { NodeState, STATE_FILE } from "./node-state.ts";
import type { RegistryAccess } from "./registry-access.ts";
import { type EntryChange, ReportBook } from "./report-book.ts";
import { Room } from "./room.ts";
import { SharedBodies } from "./shared-bodies.ts";

/** How a node's modules are kept. */
export interface NodeCacheOptions {
  /** Absolute. */
  readonly directory: string;
  readonly clock: SteadyClock;
  readonly log: Log;
  readonly access: RegistryAccess;
  readonly secretOf: (key: string) => string | undefined;
  /** Milliseconds. */
  readonly tagIntervalMs: number;
  /** Milliseconds. */
  readonly lingerMs: number;
  /** Bytes of all files. */
  readonly maxBytes: number;
  readonly maxHeld: number;
  readonly listKnown: () => boolean;
  readonly onChange: (change: EntryChange | undefined) => void;
  readonly onPull: (result: "ok" | "failed", ms: number) => void;
  readonly onLost: (why: "altered" | "gone") => void;
  readonly onEvicted: (count: number) => void;
  readonly signal: AbortSignal;
}

/** The modules of a node, and everything that keeps them as the list wants them. */
export class NodeCache {
  readonly state: NodeState;
  readonly book: ReportBook;
  readonly modules: ContentFolder;
  readonly blobs: ContentFolder;
  readonly copies: GzipCopies;
  readonly bodies: SharedBodies = new SharedBodies();
  readonly held: HeldRequests;
  readonly #options: NodeCacheOptions;
  readonly #keeper: Keeper;
  readonly #evictor: Evictor;

  constructor(options: NodeCacheOptions) {
    const { directory, clock, log, signal } = options;
    this.#options = options;
    this.state = new NodeState(directory);
    this.held = new HeldRequests(options.maxHeld);
    this.book = new ReportBook(
      () => clock.now(),
      (change) => this.#changed(change),
    );
    this.modules = new ContentFolder({
      dir: directory,
      suffix: MODULE_SUFFIX,
      onHeld: (module) => this.#arrived(module),
      onLost: (module, why) => this.#lost(module, why),
    });
    this.blobs = new ContentFolder({ dir: join(directory, BLOB_FOLDER), suffix: "" });
    const usedBytes = (): number => this.usedBytes();
    const makeRoom = (bytes: number): Promise<number> => this.#makeRoom(bytes);
    const room = new Room({ maxBytes: options.maxBytes, usedBytes, makeRoom });
    const hasSpare = (bytes: number): boolean => room.hasSpare(bytes);
    const { modules, blobs, state, book } = this;
    this.copies = new GzipCopies({ dir: join(directory, COPY_FOLDER), modules, hasSpare, log, signal });
    const limits = new Limits(PULLS);
    const onEvicted = async (module: Digest): Promise<void> => {
      await this.copies.remove(module);
      this.#keeper.wake({ module }); // listed again in this very moment
    };
    const isPulling = (): boolean => limits.isBusy;
    this.#evictor = new Evictor({ ...options, modules, blobs, state, book, isPulling, onEvicted });
    const elapsed = (): number => clock.elapsed();
    const source = new ImageSource({ ...options, modules, blobs, room, state, limits, elapsed });
    this.#keeper = new Keeper({ ...options, book, source });
  }

  /** Finds what is on the node; with `clear` it is removed. Throws as `writeFileAtomic` does. */
  async open({ clear }: { readonly clear: boolean }): Promise<void> {
    const { directory, log } = this.#options;
    if (clear) await clearFolder(directory);
    await this.modules.open();
    await this.blobs.open();
    await this.copies.clear();
    const hadState = await this.state.load();
    if (hadState) await this.#evictor.sweepBlobs();
    const modules = this.modules.digests().length;
    if (modules > 0 && !hadState) log.warn("no memory of what is here: images are looked up anew", { modules });
    log.info("opened the directory", { directory, modules });
  }

  /** Reads and verifies everything that is here. */
  async verify(): Promise<void> {
    await this.#look().catch((error: unknown) => this.#options.log.error("cannot verify what is here", { error }));
  }

  /** Finds what was altered or removed: proxies that read files ask nobody. Reads only what looks different. */
  async #look(): Promise<void> {
    const faults: unknown[] = [];
    for (const module of this.modules.digests()) {
      if (this.#options.signal.aborted) return;
      await this.modules.check(module).catch((error: unknown) => faults.push(error));
    }
    if (faults.length > 0) throw new AggregateError(faults, messageOf(faults[0]));
  }

  setEntries(entries: readonly ListEntry[]): void {
    this.#keeper.setEntries(entries);
  }

  /** A proxy asks for a module that is not here. */
  asked(module: Digest): void {
    this.#keeper.asked(module);
  }

  /** Tries images again whose pull secret changed. */
  secretsChanged(keys: ReadonlySet<string>): void {
    this.#keeper.wake({ keys });
  }

  /** Once nothing is written any more; after the signal. */
  async ended(): Promise<void> {
    await Promise.all([this.#keeper.ended(), this.copies.ended()]);
    await this.state.written();
  }

  usedBytes(): number {
    return this.modules.usedBytes() + this.blobs.usedBytes() + this.copies.usedBytes();
  }

  /**
   * Looks at what is here, evicts what was unlisted for long enough and makes the copies that are missing, again and
   * again, until the signal ends it. Never throws.
   */
  async tidy(): Promise<void> {
    const { clock, signal, lingerMs, log } = this.#options;
    const every = Math.min(MOST_TICK_MS, Math.max(LEAST_TICK_MS, lingerMs / 10));
    let [before, saved] = [clock.elapsed(), clock.elapsed()];
    let said = "";
    while (!signal.aborted) {
      await clock.sleep(every, signal).catch(() => undefined);
      if (signal.aborted) return;
      const now = clock.elapsed();
      const passed = now - before;
      const isDue = now - saved >= SAVE_TICKS * every;
      // Each by itself: a disk that takes nothing any more must keep nobody from seeing what is gone from it.
      const steps = [() => this.#look(), () => this.#evict(passed), ...(isDue ? [() => this.state.save()] : [])];
      const faults: unknown[] = [];
      for (const step of steps) await step().catch((error: unknown) => faults.push(error));
      const [error] = faults;
      const message = faults.map(messageOf).join("; ");
      if (faults.length > 0 && said !== message) log.warn("cannot tidy up, trying again", { error });
      said = message;
      before = now;
      if (isDue) saved = now;
    }
  }

  async #evict(passedMs: number): Promise<void> {
    const removed = await this.#evictor.tick(passedMs);
    this.#options.onEvicted(removed);
    if (removed > 0) this.#keeper.wake("unready"); // there may be room now
    this.#copyListed();
    if (removed > 0) await this.state.save();
  }

  /** Those that were thrown away to make room come back when there is some. */
  #copyListed(): void {
    for (const { state } of this.book.lines()) {
      if (state.state === "ready" && state.image !== undefined) void this.copies.make(state.image.module);
    }
  }

  #arrived(module: Digest): void {
    this.held.arrived(module);
    void this.copies.make(module);
  }

  #lost(module: Digest, why: "altered" | "gone"): void {
    const { log, onLost } = this.#options;
    log.warn(why === "altered" ? "a module was altered: removed" : "a module is gone", { module });
    onLost(why);
    void this.copies.remove(module);
    this.#keeper.lost(module);
  }

  #changed(change: EntryChange | undefined): void {
    if (change?.after.image !== undefined) this.held.arrived(change.entry.id);
    this.#options.onChange(change);
  }

  /** Copies go first: they are made again when there is room. */
  async #makeRoom(bytes: number): Promise<number> {
    const freed = this.copies.usedBytes();
    await this.copies.clear();
    return freed < bytes ? await this.#evictor.makeRoom(bytes - freed) : 0;
  }
}

/** So many images are pulled at a time from each registry. */
const PULLS = 4;
const BLOB_FOLDER = ".images";
const COPY_FOLDER = ".gzip";
/** Milliseconds. */
const MOST_TICK_MS = 10_000;
const LEAST_TICK_MS = 100;
/** How long modules linger is remembered every so many ticks. */
const SAVE_TICKS = 3;

/** Only what is ours: the directory may hold other things. */
async function clearFolder(directory: string): Promise<void> {
  const folder = new ContentFolder({ dir: directory, suffix: MODULE_SUFFIX });
  await folder.open();
  for (const module of folder.digests()) await folder.remove(module);
  for (const name of [BLOB_FOLDER, COPY_FOLDER, STATE_FILE]) {
    await rm(join(directory, name), { recursive: true, force: true });
  }
}
