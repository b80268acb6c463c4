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
  /** Counts the readings: an older one that was given up, but waits for its chunk still, is to take nothing more. */
  #turn = 0;
  #isWaiting = false;

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
    this.#isWaiting = false;
    await chunks?.return?.();
  }

  async *#read(start: number, end: number): AsyncGenerator<Uint8Array> {
    const turn = ++this.#turn;
    // The chunk that an older reading waits for is lost to this one.
    if (this.#chunks === undefined || this.#at !== start || this.#isWaiting) await this.#seek(start, turn);
    while (turn === this.#turn && this.#at < end) {
      const chunk = await this.#next(turn);
      if (chunk === undefined) return; // the transport tells that it was too short
      const taken = chunk.subarray(0, end - this.#at);
      this.#rest = chunk.subarray(taken.byteLength);
      this.#at += taken.byteLength;
      yield taken;
    }
    if (end < this.#body.size) return;
    const extra = await this.#next(turn);
    if (extra !== undefined) yield extra;
  }

  async #seek(start: number, turn: number): Promise<void> {
    await this.close();
    if (turn !== this.#turn) return;
    this.#rest = new Uint8Array();
    this.#at = start;
    this.#chunks = this.#body.open(start)[Symbol.asyncIterator]();
  }

  /** The next chunk; `undefined` at the end, and for a reading that is not the newest. */
  async #next(turn: number): Promise<Uint8Array | undefined> {
    if (turn !== this.#turn) return undefined;
    if (this.#rest.byteLength > 0) return this.#rest;
    this.#isWaiting = true;
    const next = await this.#chunks?.next();
    if (turn !== this.#turn) return undefined;
    this.#isWaiting = false;
    return next === undefined || next.done === true ? undefined : next.value;
  }
}
