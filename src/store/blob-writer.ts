import { utimes } from "node:fs/promises";
import type { BodySource, Placement } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import { type Digest, type DigestStream, startDigest } from "../domain/digest.ts";
import { errnoOf, WasmeError } from "../domain/errors.ts";
import { createDraft, type FileDraft, writeError } from "../platform/atomic-file.ts";
import { giveBack } from "../platform/read-memory.ts";
import { readVerified, sizeOf } from "./blob-reader.ts";
import { blobPath, ensureLayout, type LayoutPaths } from "./layout.ts";

/** Content on its way into the store, written piece by piece: hashed and counted, nothing visible before the commit. */
export interface BlobWriter {
  /** Bytes so far. */
  readonly size: number;
  /** Takes a piece, which must not be changed afterwards: it may be written later, together with the next ones. */
  write(chunk: Uint8Array): Promise<void>;
  /** Makes it durable under its digest, and tells it. Throws `DIGEST_MISMATCH` when `expected` is another one. */
  commit(expected?: Digest): Promise<Digest>;
  /** Drops what was written; never fails, does nothing after a commit. */
  discard(): Promise<void>;
}

/** Opens a writer for content of unknown length; `like` gives the hash algorithm when it is not sha256. */
export async function openBlobWriter(paths: LayoutPaths, like?: Digest): Promise<BlobWriter> {
  const hash = startDigest(like);
  return new DraftWriter(paths, await openDraft(paths), { hash });
}

/**
 * Stores `body` under its descriptor. Content that is there and intact is left alone, only made young again, so that a
 * clean-up does not take it before it is named; damaged content is replaced. Throws `SIZE_MISMATCH` or
 * `DIGEST_MISMATCH` (failed) for bytes that are not those described, and errors of the disk. `verified`: the body itself
 * ends in an error unless every byte is right (the promise of a `Fetcher`), so that hashing it twice is spared; and its
 * pieces are nobody else's, so that their memory may be read into again.
 */
export async function writeBlob(
  paths: LayoutPaths,
  descriptor: Descriptor,
  body: BodySource,
  options: { readonly verified?: boolean; readonly signal?: AbortSignal | undefined } = {},
): Promise<Placement> {
  const { verified = false, signal } = options;
  signal?.throwIfAborted();
  const path = blobPath(paths, descriptor.digest);
  if (await isIntact(path, descriptor, signal)) {
    await makeYoung(path);
    return "present";
  }
  const { digest } = descriptor;
  const known = { hash: { update: () => undefined, digest: () => digest }, written: giveBack };
  const writer = new DraftWriter(paths, await openDraft(paths), verified ? known : { hash: startDigest(digest) });
  try {
    for await (const chunk of body.open()) {
      signal?.throwIfAborted();
      await writer.write(chunk);
      if (writer.size > descriptor.size) throw wrongSize(descriptor, `more than ${descriptor.size}`);
    }
    if (writer.size !== descriptor.size) throw wrongSize(descriptor, `${writer.size} instead of ${descriptor.size}`);
    await writer.commit(digest);
    return "written";
  } finally {
    await writer.discard();
  }
}

/** True when the file at `path` has the size and digest of the descriptor: reads it whole. */
export async function isIntact(path: string, descriptor: Descriptor, signal?: AbortSignal): Promise<boolean> {
  if ((await sizeOf(path)) !== descriptor.size) return false;
  try {
    for await (const chunk of readVerified(path, descriptor, signal)) void chunk;
    return true;
  } catch (error) {
    if (error instanceof WasmeError) return false;
    throw error;
  }
}

async function openDraft(paths: LayoutPaths): Promise<FileDraft> {
  await ensureLayout(paths);
  return await createDraft(paths.ingest);
}

/**
 * Gathers small pieces into large writes, and hashes the next ones while other threads write them and bring what was
 * written to the disk: little is left to wait for at the end.
 */
class DraftWriter implements BlobWriter {
  size = 0;
  readonly #paths: LayoutPaths;
  readonly #draft: FileDraft;
  readonly #hash: DigestStream;
  readonly #written: ((piece: Uint8Array) => void) | undefined;
  #gathered: Uint8Array[] = [];
  #gatheredSize = 0;
  #writing: Promise<void> = Promise.resolve();
  #unsynced = 0;
  #syncing: Promise<void> | undefined;

  /** `written` is told of each piece that is not needed any more. */
  constructor(
    paths: LayoutPaths,
    draft: FileDraft,
    { hash, written }: { readonly hash: DigestStream; readonly written?: (piece: Uint8Array) => void },
  ) {
    this.#paths = paths;
    this.#draft = draft;
    this.#hash = hash;
    this.#written = written;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    this.size += chunk.byteLength;
    this.#gathered.push(chunk);
    this.#gatheredSize += chunk.byteLength;
    if (this.#gatheredSize >= WRITE_SIZE) await this.#flush();
  }

  async commit(expected?: Digest): Promise<Digest> {
    const actual = this.#hash.digest();
    if (expected !== undefined && actual !== expected) {
      throw new WasmeError("failed", "DIGEST_MISMATCH", `the content has digest ${actual}, not ${expected}`);
    }
    const path = blobPath(this.#paths, actual);
    try {
      await this.#flush();
      await this.#writing;
      // The system tells of a failed write-back once: it must not be lost here.
      await this.#syncing;
      await this.#draft.commit(path, BLOB_MODE);
      return actual;
    } catch (error) {
      throw writeError(error, path);
    }
  }

  async discard(): Promise<void> {
    await Promise.allSettled([this.#writing, this.#syncing]);
    await this.#draft.discard();
  }

  /** Starts writing what was gathered, once the write before it is done. */
  async #flush(): Promise<void> {
    const pieces = this.#gathered;
    this.#unsynced += this.#gatheredSize;
    this.#gathered = [];
    this.#gatheredSize = 0;
    try {
      await this.#writing;
    } catch (error) {
      throw writeError(error, this.#paths.dir);
    }
    this.#writing = this.#writeAll(pieces);
    // Its failure is thrown by whoever waits for it next; until then it must not count as unhandled.
    this.#writing.catch(() => undefined);
    if (this.#unsynced >= SYNC_SIZE) this.#sync();
  }

  async #writeAll(pieces: readonly Uint8Array[]): Promise<void> {
    if (pieces.length === 0) return;
    const { handle } = this.#draft;
    const { bytesWritten } = await handle.writev(pieces);
    const total = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
    if (bytesWritten < total) await handle.writeFile(Buffer.concat(pieces).subarray(bytesWritten));
    if (this.#written !== undefined) pieces.forEach(this.#written);
  }

  /** Starts bringing what was written so far to the disk, when the time before it is over. */
  #sync(): void {
    this.#unsynced = 0;
    const before = this.#syncing ?? Promise.resolve();
    this.#syncing = before.then(() => this.#draft.handle.datasync());
    this.#syncing.catch(() => undefined);
  }
}

async function makeYoung(path: string): Promise<void> {
  const now = new Date();
  try {
    await utimes(path, now, now);
  } catch (error) {
    // Somebody else's file or a read-only disk: naming it under the lock checks again that it is there.
    if (!UNTOUCHABLE.has(errnoOf(error) ?? "")) throw error;
  }
}

function wrongSize(descriptor: Descriptor, what: string): Error {
  return new WasmeError("failed", "SIZE_MISMATCH", `${descriptor.digest} has ${what} bytes`);
}

const BLOB_MODE = 0o444;
/** Pieces of a download are some 64 KiB; writing each by itself costs more than its bytes. */
const WRITE_SIZE = 1024 * 1024;
/** So much is written before the disk is asked to keep it. */
const SYNC_SIZE = 32 * 1024 * 1024;
const UNTOUCHABLE: ReadonlySet<string> = new Set(["EPERM", "EACCES", "EROFS", "ENOENT"]);
