import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import type { Descriptor } from "../domain/descriptor.ts";
import { type Digest, startDigest } from "../domain/digest.ts";
import { errnoOf, WasmeError } from "../domain/errors.ts";
import { storeUnreadable } from "./layout.ts";

/** A part of a blob, in bytes; `end` is the first byte that is not wanted. */
export interface ByteRange {
  readonly start?: number;
  readonly end?: number;
}

/**
 * Streams the file at `path` and verifies it on the way: the stream ends in `BLOB_DAMAGED` unless size and digest are
 * those of the descriptor, in `BLOB_MISSING` when there is no such file.
 */
export async function* readVerified(
  path: string,
  descriptor: Pick<Descriptor, "digest" | "size">,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const hash = startDigest(descriptor.digest);
  let size = 0;
  // One byte more than there should be: what is longer shows itself in the same read.
  const chunkSize = Math.min(CHUNK, descriptor.size + 1);
  for await (const chunk of readFileIn(path, descriptor.digest, { chunkSize, signal })) {
    size += chunk.byteLength;
    if (size > descriptor.size) throw damaged(descriptor, `it is longer than ${descriptor.size} bytes`);
    hash.update(chunk);
    yield chunk;
  }
  if (size < descriptor.size) throw damaged(descriptor, `it has ${size} of ${descriptor.size} bytes`);
  if (hash.digest() !== descriptor.digest) throw damaged(descriptor, "its content was altered");
}

/** As {@link readVerified}, for small content: in one piece, which is several times faster. */
export async function readVerifiedBytes(
  path: string,
  descriptor: Pick<Descriptor, "digest" | "size">,
): Promise<Uint8Array> {
  const size = await sizeOf(path);
  if (size === undefined) throw missing(descriptor.digest);
  if (size !== descriptor.size) throw damaged(descriptor, `it has ${size} instead of ${descriptor.size} bytes`);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw errnoOf(error) === "ENOENT" ? missing(descriptor.digest, error) : storeUnreadable(path, error);
  }
  const hash = startDigest(descriptor.digest);
  hash.update(bytes);
  if (hash.digest() !== descriptor.digest) throw damaged(descriptor, "its content was altered");
  return bytes;
}

/** Streams a part of the file at `path` without verifying it: a part has no digest. Throws `BLOB_MISSING`. */
export async function* readRaw(
  path: string,
  digest: Digest,
  range: ByteRange = {},
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { start = 0, end } = range;
  if (end !== undefined && end <= start) return;
  const last = end === undefined ? {} : { end: end - 1 };
  yield* readFileIn(path, digest, { chunkSize: CHUNK, start, ...last, signal });
}

interface Reading {
  /** Bytes of one read. */
  readonly chunkSize: number;
  readonly start?: number;
  /** The last byte that is wanted. */
  readonly end?: number;
  readonly signal: AbortSignal | undefined;
}

async function* readFileIn(path: string, digest: Digest, reading: Reading): AsyncGenerator<Uint8Array> {
  const { chunkSize, signal, ...part } = reading;
  const stream = createReadStream(path, { highWaterMark: chunkSize, ...part, ...(signal && { signal }) });
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (error) {
    signal?.throwIfAborted();
    if (errnoOf(error) === "ENOENT") throw missing(digest, error);
    throw errnoOf(error) === undefined ? error : storeUnreadable(path, error);
  }
}

/** Bytes of the file at `path`; `undefined` when there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw storeUnreadable(path, error);
  }
}

/** What to type when stored content turns out to be lost or altered. */
const HINT = "pull or build the image again: what is damaged is replaced";

function damaged(descriptor: Pick<Descriptor, "digest">, why: string): Error {
  return new WasmeError("failed", "BLOB_DAMAGED", `the stored ${descriptor.digest} is damaged: ${why}`, { hint: HINT });
}

function missing(digest: Digest, cause?: unknown): Error {
  return new WasmeError("failed", "BLOB_MISSING", `${digest} is missing in the store`, { hint: HINT, cause });
}

/** Fewer, larger reads: each is a trip to another thread. Bytes. */
const CHUNK = 1024 * 1024;
