/** A piece of a body on its way between threads: the bytes, or how many of the batch's shared buffer are its own. */
export type Piece = Uint8Array | number;

/** Up to here pieces share one buffer; a larger one travels in a buffer of its own, uncopied where it can be. Bytes. */
const LARGEST_SHARED = 16 * 1024;

/** Gathers the pieces of a batch: a buffer for each would cost more than what is in it. */
export class PieceWriter {
  #small: Uint8Array[] = [];
  #size = 0;
  #transfer: ArrayBuffer[] = [];

  /** The piece as it is to be written into a message. The bytes must stay as they are until `take`. */
  add(bytes: Uint8Array): Piece {
    if (bytes.length > LARGEST_SHARED) {
      const own = ownBytes(bytes);
      this.#transfer.push(own.buffer as ArrayBuffer);
      return own;
    }
    if (bytes.length > 0) {
      this.#small.push(bytes);
      this.#size += bytes.length;
    }
    return bytes.length;
  }

  /** What goes with the batch: the shared buffer, and what is handed over. Starts anew. */
  take(): { readonly shared: Uint8Array | undefined; readonly transfer: ArrayBuffer[] } {
    const transfer = this.#transfer;
    let shared: Uint8Array | undefined;
    if (this.#size > 0) {
      shared = new Uint8Array(this.#size);
      let at = 0;
      for (const piece of this.#small) {
        shared.set(piece, at);
        at += piece.length;
      }
      transfer.push(shared.buffer as ArrayBuffer);
      this.#small = [];
      this.#size = 0;
    }
    this.#transfer = [];
    return { shared, transfer };
  }
}

/** Hands the pieces of a batch out again, in the order they were added. */
export class PieceReader {
  readonly #shared: Uint8Array | undefined;
  #at = 0;

  constructor(shared: Uint8Array | undefined) {
    this.#shared = shared;
  }

  read(piece: Piece): Uint8Array {
    if (typeof piece !== "number") return piece;
    if (piece === 0 || this.#shared === undefined) return NOTHING;
    const start = this.#at;
    this.#at += piece;
    return this.#shared.subarray(start, this.#at);
  }
}

const NOTHING = new Uint8Array(0);

/** The bytes in a buffer of their own, which can be handed to another thread: as they are, or copied out of a larger one. */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : Uint8Array.prototype.slice.call(bytes);
}
