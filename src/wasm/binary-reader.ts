/** The bytes are not what the WebAssembly binary format allows at `offset` (bytes from the start of the file). */
export class MalformedModule extends Error {
  override readonly name: string = "MalformedModule";
  readonly offset: number;
  /** True when the file ends too early: a broken download or an unfinished write. */
  readonly truncated: boolean;

  constructor(message: string, offset: number, truncated = false) {
    super(message);
    this.offset = offset;
    this.truncated = truncated;
  }
}

/** V8's limit for names, in bytes; longer ones never load anywhere. */
const MAX_NAME = 100_000;

/**
 * Reads numbers, names and lists of the WebAssembly binary format (core spec, §5) from a range of bytes it does not
 * copy. Every read is checked against the range; whatever does not fit throws {@link MalformedModule}.
 */
export class BinaryReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #position: number;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.byteLength) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = Math.min(end, bytes.byteLength);
  }

  /** Offset of the next byte, from the start of the file. */
  get position(): number {
    return this.#position;
  }

  get done(): boolean {
    return this.#position >= this.#end;
  }

  /** Bytes left. */
  get left(): number {
    return this.#end - this.#position;
  }

  byte(): number {
    const value = this.#position < this.#end ? this.#bytes[this.#position] : undefined;
    if (value === undefined) throw new MalformedModule("the content ends too early", this.#position, true);
    this.#position += 1;
    return value;
  }

  /** An unsigned LEB128 of at most 32 bits. */
  u32(): number {
    const start = this.#position;
    let result = 0;
    for (let at = 0; at < 5; at += 1) {
      const byte = this.byte();
      if (at === 4 && byte > 0x0f) break;
      result += (byte & 0x7f) * 2 ** (7 * at);
      if (byte < 0x80) return result;
    }
    throw new MalformedModule("a number is too long", start);
  }

  /** Skips a LEB128 of any sign, at most `maxBytes` bytes. */
  skipLeb(maxBytes: number): void {
    const start = this.#position;
    for (let at = 0; at < maxBytes; at += 1) {
      if (this.byte() < 0x80) return;
    }
    throw new MalformedModule("a number is too long", start);
  }

  /** An unsigned LEB128 of up to 64 bits; exact up to 2^53. */
  u64(): number {
    const start = this.#position;
    let result = 0;
    for (let at = 0; at < 10; at += 1) {
      const byte = this.byte();
      result += (byte & 0x7f) * 2 ** (7 * at);
      if (byte < 0x80) return result;
    }
    throw new MalformedModule("a number is too long", start);
  }

  /** The length of a list whose entries take at least one byte each: never more than there are bytes left. */
  count(what: string): number {
    const start = this.#position;
    const count = this.u32();
    if (count > this.left) throw new MalformedModule(`${count} ${what} do not fit`, start, true);
    return count;
  }

  /** A name: length and UTF-8. */
  name(): string {
    const start = this.#position;
    const length = this.u32();
    if (length > MAX_NAME) throw new MalformedModule("a name is too long", start);
    const from = this.#position;
    this.skip(length);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
        this.#bytes.subarray(from, this.#position),
      );
    } catch {
      throw new MalformedModule("a name is not UTF-8", start);
    }
  }

  skip(length: number): void {
    if (length > this.left) throw new MalformedModule("the content ends too early", this.#position, true);
    this.#position += length;
  }
}
