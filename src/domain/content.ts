import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";

/** Bytes that can be opened again from the start: what a retried upload needs. */
export interface BodySource {
  /** Bytes. */
  readonly size: number;
  /** Opens the content from byte `start` (0 when absent). */
  open(start?: number): AsyncIterable<Uint8Array>;
}

/** Reads content. The stream ends in an error unless every byte matched size and digest of the descriptor. */
export interface Fetcher {
  fetch(descriptor: Descriptor, signal?: AbortSignal): AsyncIterable<Uint8Array>;
}

/**
 * How pushed content came to be there: its bytes were `written`, it was `mounted` from another repository without
 * moving a byte, or it was `present` already.
 */
export type Placement = "written" | "mounted" | "present";

/** Stores content; storing what is there already does nothing. Refuses bytes that do not match. */
export interface Pusher {
  push(descriptor: Descriptor, body: BodySource, signal?: AbortSignal): Promise<Placement>;
}

/** Repositories (`team/filter`) of the same registry that are believed to have a blob: it may be mounted from there. */
export type MountSources = (digest: Digest) => readonly string[];

/** Tells whether content is there, without reading it. */
export interface Exists {
  exists(descriptor: Descriptor, signal?: AbortSignal): Promise<boolean>;
}

/** A body source over bytes in memory. */
export function bytesSource(bytes: Uint8Array): BodySource {
  return {
    size: bytes.byteLength,
    async *open(start = 0) {
      yield start === 0 ? bytes : bytes.subarray(start);
    },
  };
}

/**
 * Gathers a stream into memory, at most `limit` bytes; `tooLong` makes the error beyond that. However small the pieces
 * are, it takes little more room than their bytes.
 */
export async function collect(
  stream: AsyncIterable<Uint8Array>,
  limit: number,
  tooLong: (limit: number) => Error,
): Promise<Uint8Array> {
  const whole: Uint8Array[] = [];
  let pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of stream) {
    size += piece.byteLength;
    if (size > limit) throw tooLong(limit);
    pieces.push(piece);
    // An object for each byte would take a hundred times its room.
    if (pieces.length < MANY_PIECES) continue;
    whole.push(Buffer.concat(pieces));
    pieces = [];
  }
  return Buffer.concat([...whole, ...pieces], size);
}

const MANY_PIECES = 1024;

/** A stream without its first `count` bytes. */
export async function* skipBytes(chunks: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let left = count;
  for await (const chunk of chunks) {
    if (left < chunk.byteLength) yield left === 0 ? chunk : chunk.subarray(left);
    left = Math.max(0, left - chunk.byteLength);
  }
}
