import { utimes } from "node:fs/promises";
import type { BodySource } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import { type Digest, startDigest } from "../domain/digest.ts";
import { errnoOf, WasmeError } from "../domain/errors.ts";
import { createDraft, type FileDraft, writeError } from "../platform/atomic-file.ts";
import { readVerified, sizeOf } from "./blob-reader.ts";
import { blobPath, ensureLayout, type LayoutPaths } from "./layout.ts";

/** Content on its way into the store, written piece by piece: hashed and counted, nothing visible before the commit. */
export interface BlobWriter {
  /** Bytes so far. */
  readonly size: number;
  write(chunk: Uint8Array): Promise<void>;
  /** Makes it durable under its digest, and tells it. Throws `DIGEST_MISMATCH` when `expected` is another one. */
  commit(expected?: Digest): Promise<Digest>;
  /** Drops what was written; never fails, does nothing after a commit. */
  discard(): Promise<void>;
}

/** Opens a writer for content of unknown length; `like` gives the hash algorithm when it is not sha256. */
export async function openBlobWriter(paths: LayoutPaths, like?: Digest): Promise<BlobWriter> {
  await ensureLayout(paths);
  const draft = await createDraft(paths.ingest);
  return new DraftWriter(paths, draft, like);
}

/**
 * Stores `body` under its descriptor. Content that is there and intact is left alone, only made young again, so that a
 * clean-up does not take it before it is named; damaged content is replaced. Throws `SIZE_MISMATCH` or
 * `DIGEST_MISMATCH` (failed) for bytes that are not those described, and errors of the disk.
 */
export async function writeBlob(
  paths: LayoutPaths,
  descriptor: Descriptor,
  body: BodySource,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  const path = blobPath(paths, descriptor.digest);
  if (await isIntact(path, descriptor, signal)) return await makeYoung(path);
  const writer = await openBlobWriter(paths, descriptor.digest);
  try {
    for await (const chunk of body.open()) {
      signal?.throwIfAborted();
      await writer.write(chunk);
      if (writer.size > descriptor.size) throw wrongSize(descriptor, `more than ${descriptor.size}`);
    }
    if (writer.size !== descriptor.size) throw wrongSize(descriptor, `${writer.size} instead of ${descriptor.size}`);
    await writer.commit(descriptor.digest);
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

class DraftWriter implements BlobWriter {
  size = 0;
  readonly #paths: LayoutPaths;
  readonly #draft: FileDraft;
  readonly #hash: ReturnType<typeof startDigest>;

  constructor(paths: LayoutPaths, draft: FileDraft, like: Digest | undefined) {
    this.#paths = paths;
    this.#draft = draft;
    this.#hash = startDigest(like);
  }

  async write(chunk: Uint8Array): Promise<void> {
    // The write runs on another thread while this one hashes.
    const written = this.#draft.handle.writeFile(chunk);
    this.#hash.update(chunk);
    this.size += chunk.byteLength;
    try {
      await written;
    } catch (error) {
      throw writeError(error, this.#paths.dir);
    }
  }

  async commit(expected?: Digest): Promise<Digest> {
    const actual = this.#hash.digest();
    if (expected !== undefined && actual !== expected) {
      throw new WasmeError("failed", "DIGEST_MISMATCH", `the content has digest ${actual}, not ${expected}`);
    }
    const path = blobPath(this.#paths, actual);
    try {
      await this.#draft.commit(path, BLOB_MODE);
      return actual;
    } catch (error) {
      throw writeError(error, path);
    }
  }

  discard(): Promise<void> {
    return this.#draft.discard();
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
const UNTOUCHABLE: ReadonlySet<string> = new Set(["EPERM", "EACCES", "EROFS", "ENOENT"]);
