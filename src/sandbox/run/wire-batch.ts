import { PieceReader, PieceWriter } from "./pieces.ts";
import { WireTextReader, WireTextWriter } from "./wire-text.ts";

/** Messages of one turn on their way between threads. */
export interface WireBatch {
  /** All messages, but for the bytes of bodies and what travels as it is. */
  readonly text: string;
  /** Holds the small pieces of bodies. */
  readonly shared: Uint8Array | undefined;
  /** Large pieces, and messages that are too rare to be written as text, in the order the text asks for them. */
  readonly extra: readonly unknown[];
}

/** Writes a batch. */
export class BatchWriter extends WireTextWriter {
  readonly #pieces = new PieceWriter();
  #extra: unknown[] = [];

  /** A piece of a body. The bytes must stay as they are until `takeBatch`, and may be gone after it. */
  piece(bytes: Uint8Array): void {
    const piece = this.#pieces.add(bytes);
    const large = typeof piece !== "number";
    this.flag(large);
    if (large) this.#extra.push(piece);
    else this.number(piece);
  }

  /** What travels as it is (structured clone). */
  whole(thing: unknown): void {
    this.#extra.push(thing);
  }

  /** The batch, and what is handed over with it. Starts anew. */
  takeBatch(): { readonly batch: WireBatch; readonly transfer: ArrayBuffer[] } {
    const { shared, transfer } = this.#pieces.take();
    const extra = this.#extra;
    if (extra.length > 0) this.#extra = [];
    return { batch: { text: this.take(), shared, extra: extra.length === 0 ? NONE : extra }, transfer };
  }
}

const NONE: readonly unknown[] = [];

/** Reads a batch. */
export class BatchReader extends WireTextReader {
  readonly #pieces: PieceReader;
  readonly #extra: readonly unknown[];
  #taken = 0;

  constructor(batch: WireBatch) {
    super(batch.text);
    this.#pieces = new PieceReader(batch.shared);
    this.#extra = batch.extra;
  }

  piece(): Uint8Array {
    return this.#pieces.read(this.flag() ? (this.whole() as Uint8Array) : this.number());
  }

  /** The next thing that travelled as it is. */
  whole(): unknown {
    this.#taken += 1;
    return this.#extra[this.#taken - 1];
  }
}
