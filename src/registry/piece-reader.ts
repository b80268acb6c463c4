import type { BodySource } from "../domain/content.ts";

/**
 * Reads a body piece after piece without opening it anew, as long as each piece begins where the last one ended. The
 * last piece is read to the very end of the body, so that a source that checks its content has its say.
 */
export class PieceReader {
  readonly #body: BodySource;
  #chunks: AsyncIterator<Uint8Array> | undefined;
  /** Read, but not passed on. */
  #rest: Uint8Array = new Uint8Array();
  #at = 0;

  constructor(body: BodySource) {
    this.#body = body;
  }

  /** The bytes from `start`, as many as `length`; to be opened again when they must be sent again. */
  piece(start: number, length: number): BodySource {
    return { size: length, open: (skip = 0) => this.#read(start + skip, start + length) };
  }

  /** Ends reading. */
  async close(): Promise<void> {
    const chunks = this.#chunks;
    this.#chunks = undefined;
    await chunks?.return?.();
  }

  async *#read(start: number, end: number): AsyncGenerator<Uint8Array> {
    if (this.#chunks === undefined || this.#at !== start) await this.#seek(start);
    while (this.#at < end) {
      const chunk = await this.#next();
      if (chunk === undefined) return; // the transport tells that it was too short
      const taken = chunk.subarray(0, end - this.#at);
      this.#rest = chunk.subarray(taken.byteLength);
      this.#at += taken.byteLength;
      yield taken;
    }
    if (end < this.#body.size) return;
    const extra = await this.#next();
    if (extra !== undefined) yield extra;
  }

  async #seek(start: number): Promise<void> {
    await this.close();
    this.#rest = new Uint8Array();
    this.#at = start;
    this.#chunks = this.#body.open(start)[Symbol.asyncIterator]();
  }

  async #next(): Promise<Uint8Array | undefined> {
    if (this.#rest.byteLength > 0) return this.#rest;
    const next = await this.#chunks?.next();
    return next === undefined || next.done === true ? undefined : next.value;
  }
}
