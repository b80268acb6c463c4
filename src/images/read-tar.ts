import { WasmeError } from "../domain/errors.ts";
import { decodeTarHeader, TAR_BLOCK, type TarHeader, tarPadding } from "../domain/ustar.ts";

/** A member of an archive. `body` must be read before the next entry is asked for; what is left is skipped. */
export interface TarEntry extends TarHeader {
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Reads an archive (ustar, pax, GNU) as it streams by, holding no more than one chunk. Nothing is written anywhere and
 * names are only compared, so `../` and links can do no harm. `limit` bounds the bytes read: a small gzip file can
 * unpack to any size, or to any number of empty files. Throws `LAYER_INVALID` (failed).
 */
export async function* readTar(chunks: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<TarEntry> {
  const reader = new BlockReader(chunks, limit);
  try {
    let override: Override = {};
    for (let headers = 0; ; headers += 1) {
      if (headers > MAX_HEADERS) throw invalid(`its archive has more than ${MAX_HEADERS} entries`);
      const block = await reader.take(TAR_BLOCK);
      const header = block === undefined ? "end" : decodeTarHeader(block);
      // What follows the end is read all the same: the layer's digest is only proven by its last byte.
      if (header === "end") return await reader.drain();
      if (header === "invalid") throw invalid("a header of its archive is damaged");
      if (META.has(header.type)) {
        override = { ...override, ...(await readMeta(reader, header)) };
        continue;
      }
      const entry = { ...header, ...override };
      override = {};
      const body = new EntryBody(reader, entry.size);
      yield { ...entry, body };
      await body.skip();
    }
  } finally {
    await reader.close();
  }
}

/** The content of one entry; counts, so that what the consumer left can be skipped. */
class EntryBody implements AsyncIterable<Uint8Array> {
  readonly #reader: BlockReader;
  readonly #padding: number;
  #left: number;
  #skipped = false;

  constructor(reader: BlockReader, size: number) {
    this.#reader = reader;
    this.#left = size;
    this.#padding = tarPadding(size);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      const piece = await this.#reader.some(this.#left);
      this.#left -= piece.byteLength;
      yield piece;
    }
  }

  async skip(): Promise<void> {
    if (this.#skipped) return;
    this.#skipped = true;
    for await (const piece of this) void piece;
    for (let left = this.#padding; left > 0;) left -= (await this.#reader.some(left)).byteLength;
  }
}

/** Cuts a stream of chunks into the pieces a tar reader asks for. */
class BlockReader {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #limit: number;
  #chunk: Uint8Array = EMPTY;
  #total = 0;

  constructor(chunks: AsyncIterable<Uint8Array>, limit: number) {
    this.#source = chunks[Symbol.asyncIterator]();
    this.#limit = limit;
  }

  /** Exactly `length` bytes, or `undefined` at a clean end. */
  async take(length: number): Promise<Uint8Array | undefined> {
    if (!(await this.#fill())) return undefined;
    const parts: Uint8Array[] = [];
    for (let left = length; left > 0;) {
      const piece = await this.some(left);
      parts.push(piece);
      left -= piece.byteLength;
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  }

  /** At least one and at most `most` bytes. */
  async some(most: number): Promise<Uint8Array> {
    if (!(await this.#fill())) throw invalid("its archive ends too early");
    const piece = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(piece.byteLength);
    return piece;
  }

  async drain(): Promise<void> {
    while (await this.#fill()) this.#chunk = EMPTY;
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #fill(): Promise<boolean> {
    while (this.#chunk.byteLength === 0) {
      const next = await this.#source.next();
      if (next.done === true) return false;
      this.#chunk = next.value;
      this.#total += next.value.byteLength;
      if (this.#total > this.#limit) throw invalid(`it unpacks to more than ${this.#limit} bytes`);
    }
    return true;
  }
}

/** What a pax header or a GNU long name says about the entry that follows it. */
interface Override {
  name?: string;
  size?: number;
}

async function readMeta(reader: BlockReader, header: TarHeader): Promise<Override> {
  if (header.size > MAX_META) throw invalid("its archive has a name of more than 64 KiB");
  const data = header.size === 0 ? EMPTY : await reader.take(header.size);
  if (data === undefined) throw invalid("its archive ends too early");
  for (let left = tarPadding(header.size); left > 0;) left -= (await reader.some(left)).byteLength;
  if (header.type === "L") return { name: cString(data) };
  return header.type === "x" ? readPax(data) : {};
}

/** The two pax records that matter here: `LENGTH key=value\n`, the length counting itself. */
function readPax(data: Uint8Array): Override {
  const found: Override = {};
  const buffer = Buffer.from(data);
  for (let at = 0; at < buffer.byteLength;) {
    const blank = buffer.indexOf(0x20, at);
    const length = Number(buffer.toString("latin1", at, Math.max(at, blank)));
    if (blank === -1 || !Number.isSafeInteger(length) || length <= blank - at) throw invalid("its archive is damaged");
    const [key = "", ...value] = buffer.toString("utf8", blank + 1, at + length - 1).split("=");
    if (key === "path") found.name = value.join("=");
    if (key === "size") found.size = sizeRecord(value.join("="));
    if (key.startsWith("GNU.sparse")) throw invalid("its archive has a sparse file");
    at += length;
  }
  return found;
}

function sizeRecord(text: string): number {
  const size = /^\d+$/u.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw invalid("its archive is damaged");
  return size;
}

function cString(data: Uint8Array): string {
  const buffer = Buffer.from(data);
  const end = buffer.indexOf(0);
  return buffer.toString("utf8", 0, end === -1 ? buffer.byteLength : end);
}

function invalid(why: string): Error {
  return new WasmeError("failed", "LAYER_INVALID", `the layer cannot be unpacked: ${why}`);
}

/** `x` and `g`: pax headers, `L` and `K`: GNU long name and long link. */
const META: ReadonlySet<string> = new Set(["x", "g", "L", "K"]);
const MAX_META = 64 * 1024;
/** More than the largest images of whole systems have in a layer. */
const MAX_HEADERS = 200_000;
const EMPTY: Uint8Array = new Uint8Array(0);
