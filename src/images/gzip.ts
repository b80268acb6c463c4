import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { errnoOf, WasmeError } from "../domain/errors.ts";

/**
 * Compresses a stream reproducibly: no time, no name, no trace of the machine in the header. Equal input gives equal
 * bytes with the same version of Node; another version may bring another zlib.
 */
export async function* gzip(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let first = true;
  for await (const chunk of through(chunks, createGzip({ level: 6, chunkSize: CHUNK }))) {
    if (first) chunk[OS_BYTE] = OS_UNKNOWN;
    first = false;
    yield chunk;
  }
}

/** Unpacks a stream. Throws `LAYER_INVALID` (failed) when it is not gzip, damaged, cut off or followed by more. */
export async function* gunzip(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let ended = false;
  async function* counted(): AsyncGenerator<Uint8Array> {
    yield* chunks;
    ended = true;
  }
  try {
    yield* through(counted(), createGunzip({ chunkSize: CHUNK }));
  } catch (error) {
    if (errnoOf(error)?.startsWith("Z_") !== true) throw error;
    throw new WasmeError("failed", "LAYER_INVALID", "the layer cannot be unpacked: it is not intact gzip", {
      cause: error,
    });
  }
  if (!ended) throw new WasmeError("failed", "LAYER_INVALID", "the layer cannot be unpacked: data follows its end");
}

async function* through(chunks: AsyncIterable<Uint8Array>, transform: Transform): AsyncGenerator<Uint8Array> {
  const done = pipeline(Readable.from(chunks, { objectMode: false }), transform);
  // A failure shows itself while reading; a reader that stops early is none.
  done.catch(() => undefined);
  try {
    for await (const chunk of transform) yield chunk as Uint8Array;
    await done;
  } finally {
    transform.destroy();
  }
}

const CHUNK = 256 * 1024;
/** Byte 9 of the header names the operating system (RFC 1952); 255 is "unknown". */
const OS_BYTE = 9;
const OS_UNKNOWN = 255;
