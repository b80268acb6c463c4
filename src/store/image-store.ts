import type { BodySource, Exists, Fetcher, Placement, Pusher } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import type { Digest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { MAX_MANIFEST, type ParsedManifest, parseManifest } from "../domain/manifest.ts";
import { isNonDistributable } from "../domain/media-types.ts";
import type { LockOptions } from "../platform/file-lock.ts";
import type { AuditOptions, StoreAudit } from "./audit.ts";
import { type ByteRange, readRaw, readVerified, readVerifiedBytes, sizeOf } from "./blob-reader.ts";
import { type BlobWriter, isIntact, openBlobWriter, writeBlob } from "./blob-writer.ts";
import { changeIndex, type IndexEntry, indexEntry, readIndex, UPDATED, withIndex, withNotes } from "./index-file.ts";
import { blobPath, checkLayout, type LayoutPaths, layoutPaths } from "./layout.ts";
import type { PruneResult, StoreContent } from "./prune.ts";

/** One name in the store. A damaged entry says what is wrong with it and never hides the others. */
export type StoreEntry = OkEntry | DamagedEntry;

/** An entry whose manifest is intact and whose content is there with the right sizes. */
export interface OkEntry {
  readonly state: "ok";
  /** The full reference, `host/repository:tag`; another tool may have written something shorter. */
  readonly reference: string;
  readonly descriptor: Descriptor;
  readonly manifest: ParsedManifest;
  /** ISO 8601; `undefined` when another tool wrote the entry. */
  readonly updated: string | undefined;
}

/** A name and what it stands for, as the index has it. */
export interface StoreName {
  readonly reference: string;
  readonly descriptor: Descriptor;
}

/** A name to be given to a stored manifest. */
export interface NewName extends StoreName {
  /** When it was stored, if that was not now. */
  readonly updated?: Date;
}

/** An entry that cannot be used. */
interface DamagedEntry {
  readonly state: "damaged";
  readonly reference: string;
  /** One sentence. */
  readonly reason: string;
  readonly descriptor: Descriptor | undefined;
  readonly updated: string | undefined;
}

/**
 * The local image store: an OCI image layout whose index entries carry full references. Content is immutable and
 * verified when it is read; names change under a lock, so that any number of processes may work at once; what was
 * reported as done survives a crash. Opening and reading never write.
 */
export interface ImageStore extends Fetcher, Pusher, Exists {
  /** Its folder, absolute. */
  readonly dir: string;
  /** True when the content is there with the right size; `push` replaces what has the size but was altered. */
  exists(descriptor: Pick<Descriptor, "digest" | "size">): Promise<boolean>;
  /**
   * As `push`, for a body read from a `Fetcher`: that verifies every byte, so it is not hashed once more here. The pieces
   * are the store's from then on: their memory is read into again.
   */
  pushVerified(descriptor: Descriptor, body: BodySource, signal?: AbortSignal): Promise<Placement>;
  /** True when the content is there and every byte is right: reads it whole. */
  verify(descriptor: Descriptor, signal?: AbortSignal): Promise<boolean>;
  /** Bytes of the content with this digest; `undefined` when it is not there. */
  sizeOf(digest: Digest): Promise<number | undefined>;
  /** Streams a part of the content, unverified: for ranged downloads and for looking into large modules. */
  read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Starts writing content whose size and digest are not known yet; `like` when it is not to be sha256. */
  write(like?: Digest): Promise<BlobWriter>;
  /** A stored manifest or index, verified. Throws `BLOB_MISSING`, `BLOB_DAMAGED`, `MANIFEST_INVALID`. */
  manifest(descriptor: Pick<Descriptor, "mediaType" | "digest" | "size">): Promise<ParsedManifest>;
  /** The manifest a full reference names; `undefined` when there is no such name. */
  resolve(reference: string): Promise<Descriptor | undefined>;
  /**
   * Names a stored manifest, replacing what had that name; annotations of the descriptor that start with `wasme.io/`
   * are kept with the name. Throws `CONTENT_MISSING`, with the digest in its details, when the
   * manifest or something an image manifest points to is not stored: a name never points into the void. Layers that
   * may not be distributed are the exception.
   */
  tag(reference: string, descriptor: Descriptor, signal?: AbortSignal): Promise<void>;
  /**
   * Adds annotations that start with `wasme.io/` to a name, as long as it stands for `digest`; when it was stored stays
   * as it is. False when it no longer does. A note is not worth a long wait for whoever changes the index.
   */
  note(reference: string, digest: Digest, notes: Readonly<Record<string, string>>): Promise<boolean>;
  /** As {@link tag}, for several names in one step: all of them, or none. Each name once. */
  tagAll(names: readonly NewName[], signal?: AbortSignal): Promise<void>;
  /** Removes a name; false when there was none. The content stays until {@link prune}. */
  untag(reference: string, signal?: AbortSignal): Promise<boolean>;
  /** All names, in the order of the index. */
  entries(): Promise<readonly StoreEntry[]>;
  /** All names that lead to a descriptor, read from the index alone: nothing of the content is looked at. */
  names(): Promise<readonly StoreName[]>;
  /** Removes content that no name reaches and that is old enough, see `prune.ts`. */
  prune(options?: PruneOptions, signal?: AbortSignal): Promise<PruneResult>;
  /** Reads and hashes everything, or what some names need, and tells what is wrong, see `audit.ts`. */
  audit(options?: AuditOptions): Promise<StoreAudit>;
  /**
   * Removes one blob at once, however young it is, unless a name reaches it; as long as a damaged entry hides what it
   * reaches, everything counts as in use.
   */
  removeBlob(digest: Digest, signal?: AbortSignal): Promise<BlobRemoval>;
}

/** How a clean-up goes about it. */
export interface PruneOptions {
  /** How long unnamed content is kept, in milliseconds; default one hour. */
  readonly graceMs?: number | undefined;
  /** Only tells what would be removed: writes nothing, takes no lock. */
  readonly dryRun?: boolean;
}

/** What became of a blob that was to be removed. */
export type BlobRemoval = "removed" | "absent" | "in-use";

/** Opens the store in `dir` (absolute). Nothing is read or written yet; the layout is made at the first write. */
export function openStore(dir: string, options: Pick<LockOptions, "clock" | "waitMs"> = {}): ImageStore {
  return new LayoutStore(layoutPaths(dir), options);
}

class LayoutStore implements ImageStore {
  readonly dir: string;
  readonly #paths: LayoutPaths;
  readonly #lock: Pick<LockOptions, "clock" | "waitMs">;

  constructor(paths: LayoutPaths, lock: Pick<LockOptions, "clock" | "waitMs">) {
    this.dir = paths.dir;
    this.#paths = paths;
    this.#lock = lock;
  }

  fetch(descriptor: Descriptor, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return readVerified(blobPath(this.#paths, descriptor.digest), descriptor, signal);
  }

  push(descriptor: Descriptor, body: BodySource, signal?: AbortSignal): Promise<Placement> {
    return writeBlob(this.#paths, descriptor, body, { signal });
  }

  pushVerified(descriptor: Descriptor, body: BodySource, signal?: AbortSignal): Promise<Placement> {
    return writeBlob(this.#paths, descriptor, body, { signal, verified: true });
  }

  async exists(descriptor: Pick<Descriptor, "digest" | "size">): Promise<boolean> {
    return (await this.sizeOf(descriptor.digest)) === descriptor.size;
  }

  verify(descriptor: Descriptor, signal?: AbortSignal): Promise<boolean> {
    return isIntact(blobPath(this.#paths, descriptor.digest), descriptor, signal);
  }

  sizeOf(digest: Digest): Promise<number | undefined> {
    return sizeOf(blobPath(this.#paths, digest));
  }

  read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return readRaw(blobPath(this.#paths, digest), digest, range, signal);
  }

  write(like?: Digest): Promise<BlobWriter> {
    return openBlobWriter(this.#paths, like);
  }

  async manifest(descriptor: Pick<Descriptor, "mediaType" | "digest" | "size">): Promise<ParsedManifest> {
    if (descriptor.size > MAX_MANIFEST) {
      const message = `the manifest ${descriptor.digest} is larger than ${MAX_MANIFEST} bytes`;
      throw new WasmeError("failed", "MANIFEST_INVALID", message);
    }
    const bytes = await readVerifiedBytes(blobPath(this.#paths, descriptor.digest), descriptor);
    return parseManifest(bytes, descriptor.mediaType);
  }

  async resolve(reference: string): Promise<Descriptor | undefined> {
    await checkLayout(this.#paths);
    const { entries } = await readIndex(this.#paths);
    const entry = entries.find((each) => each.reference === reference);
    if (entry?.fault !== undefined) {
      throw new WasmeError("failed", "STORE_DAMAGED", `the stored entry ${reference} is damaged: ${entry.fault}`, {
        hint: "pull or build the image again",
      });
    }
    return entry?.descriptor;
  }

  tag(reference: string, descriptor: Descriptor, signal?: AbortSignal): Promise<void> {
    return this.tagAll([{ reference, descriptor }], signal);
  }

  async tagAll(names: readonly NewName[], signal?: AbortSignal): Promise<void> {
    if (names.length === 0) return;
    const { clock } = this.#lock;
    await this.#change(async (entries) => {
      for (const { descriptor } of names) await this.#requireContent(descriptor);
      const now = new Date(clock?.now() ?? Date.now());
      const named = names.map(({ reference, descriptor, updated = now }) => {
        return indexEntry(reference, withOwnNotes(descriptor), updated);
      });
      const replaced = new Set(names.map(({ reference }) => reference));
      return [...entries.filter((entry) => !replaced.has(entry.reference)), ...named];
    }, signal);
  }

  async note(reference: string, digest: Digest, notes: Readonly<Record<string, string>>): Promise<boolean> {
    let found = false;
    const edit = async (entries: readonly IndexEntry[]): Promise<readonly IndexEntry[] | undefined> => {
      const named = (entry: IndexEntry): boolean =>
        entry.reference === reference && entry.descriptor?.digest === digest;
      found = entries.some(named);
      return found ? entries.map((entry) => (named(entry) ? withNotes(entry, notes) : entry)) : undefined;
    };
    await changeIndex(this.#paths, edit, { ...this.#lock, waitMs: NOTE_WAIT_MS });
    return found;
  }

  async untag(reference: string, signal?: AbortSignal): Promise<boolean> {
    const { entries } = await readIndex(this.#paths);
    // Looking first without the lock keeps a read-only store from failing for a name it does not have.
    if (!entries.some((entry) => entry.reference === reference)) return false;
    let found = false;
    await this.#change(async (current) => {
      const rest = current.filter((entry) => entry.reference !== reference);
      found = rest.length < current.length;
      return found ? rest : undefined;
    }, signal);
    return found;
  }

  async entries(): Promise<readonly StoreEntry[]> {
    await checkLayout(this.#paths);
    const { entries } = await readIndex(this.#paths);
    const all: StoreEntry[] = [];
    for (let at = 0; at < entries.length; at += AT_ONCE) {
      all.push(...(await Promise.all(entries.slice(at, at + AT_ONCE).map((entry) => this.#inspect(entry)))));
    }
    return all;
  }

  async names(): Promise<readonly StoreName[]> {
    await checkLayout(this.#paths);
    const { entries } = await readIndex(this.#paths);
    return entries.flatMap(({ reference, descriptor }) =>
      descriptor === undefined ? [] : [{ reference, descriptor }],
    );
  }

  async prune(options: PruneOptions = {}, signal?: AbortSignal): Promise<PruneResult> {
    const { NOTHING, pruneBlobs } = await import("./prune.ts");
    if (!(await checkLayout(this.#paths))) return NOTHING;
    const { graceMs, dryRun = false } = options;
    const work = async (entries: readonly IndexEntry[]): Promise<PruneResult> => {
      return await pruneBlobs(this.#content(entries), { graceMs, dryRun, now: this.#lock.clock?.now() ?? Date.now() });
    };
    return dryRun ? await work((await readIndex(this.#paths)).entries) : await this.#underLock(work, signal);
  }

  async removeBlob(digest: Digest, signal?: AbortSignal): Promise<BlobRemoval> {
    // Looking first without the lock keeps a read-only store from failing for content it does not have.
    if ((await this.sizeOf(digest)) === undefined) return "absent";
    const { removeUnreached } = await import("./prune.ts");
    return await this.#underLock(async (entries) => await removeUnreached(this.#content(entries), digest), signal);
  }

  async audit(options: AuditOptions = {}): Promise<StoreAudit> {
    const { auditStore } = await import("./audit.ts");
    return await auditStore(this.#paths, (descriptor) => this.manifest(descriptor), options);
  }

  #content(entries: readonly IndexEntry[]): StoreContent {
    return { paths: this.#paths, entries, readManifest: (descriptor) => this.manifest(descriptor) };
  }

  /** Does something that leaves the index as it is, while nobody else changes it. */
  #underLock<T>(work: (entries: readonly IndexEntry[]) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return withIndex(this.#paths, ({ entries }) => work(entries), { ...this.#lock, signal });
  }

  #change(edit: Parameters<typeof changeIndex>[1], signal: AbortSignal | undefined): Promise<void> {
    return changeIndex(this.#paths, edit, { ...this.#lock, signal });
  }

  async #requireContent(descriptor: Descriptor): Promise<void> {
    const missing = await this.#firstMissing(await this.manifest(descriptor));
    if (missing === undefined) return;
    throw new WasmeError("failed", "CONTENT_MISSING", `${missing.digest} is not in the store`, {
      hint: "run the command again",
      details: { digest: missing.digest },
    });
  }

  /** Children of an index may be absent (OCI image spec): only an image needs all its content. */
  async #firstMissing(parsed: ParsedManifest): Promise<Descriptor | undefined> {
    if (parsed.kind === "index") return undefined;
    for (const child of [parsed.manifest.config, ...parsed.manifest.layers]) {
      if (!isNonDistributable(child.mediaType) && !(await this.exists(child))) return child;
    }
    return undefined;
  }

  async #inspect(entry: IndexEntry): Promise<StoreEntry> {
    const { descriptor, reference } = entry;
    const updated = descriptor?.annotations?.[UPDATED];
    const damaged = (reason: string): StoreEntry => ({ state: "damaged", reference, reason, descriptor, updated });
    if (descriptor === undefined) return damaged(entry.fault ?? "it is not a descriptor");
    try {
      const manifest = await this.manifest(descriptor);
      const missing = await this.#firstMissing(manifest);
      if (missing !== undefined) return damaged(`${missing.digest} is missing or has another size`);
      return { state: "ok", reference, descriptor, manifest, updated };
    } catch (error) {
      if (error instanceof WasmeError) return damaged(error.message);
      throw error;
    }
  }
}

/** Another name's annotations are not this one's, but for our notes about the content. */
function withOwnNotes(descriptor: Descriptor): Descriptor {
  const { mediaType, digest, size } = descriptor;
  const notes = Object.entries(descriptor.annotations ?? {}).filter(([key]) => key.startsWith(NOTE_PREFIX));
  return notes.length === 0
    ? { mediaType, digest, size }
    : { mediaType, digest, size, annotations: Object.fromEntries(notes) };
}

const NOTE_PREFIX = "wasme.io/";
const NOTE_WAIT_MS = 1000;
/** Entries looked into at the same time. */
const AT_ONCE = 16;
