/** Smallest and largest piece of memory that reads fill. Bytes. */
const SMALLEST = 64 * 1024;
const LARGEST = 1024 * 1024;
/** A read gets at least so much room. Bytes. */
const ROOM = 32 * 1024;

/**
 * Memory for the reads of one connection, one after the other. A slab grows to 1 MiB when the reads filled the last one
 * fast; what was read stays as it is until it is given back by {@link giveBack}, or for good.
 */
export class ReadMemory {
  readonly #idle: Slab[] = [];
  #slab = new Slab(SMALLEST, this.#idle);
  #used = 0;
  #largest = 0;

  /** What the last read got. */
  read(count: number): Buffer {
    const got = Buffer.from(this.#slab, this.#used, count);
    this.#slab.lend(count);
    this.#used += count;
    this.#largest = Math.max(this.#largest, count);
    return got;
  }

  /** Where the next read goes: the rest of this slab, or another one when little is left. */
  next(): Buffer {
    if (this.#slab.byteLength - this.#used < ROOM) {
      const wanted = this.#largest >= ROOM ? Math.min(this.#slab.byteLength * 4, LARGEST) : SMALLEST;
      this.#slab.end();
      this.#slab = (wanted === LARGEST ? this.#idle.pop() : undefined) ?? new Slab(wanted, this.#idle);
      this.#used = 0;
      this.#largest = 0;
    }
    return Buffer.from(this.#slab, this.#used);
  }
}

/**
 * Lets the memory of a piece of an answer be read into again. Only for whoever has the piece for itself: its bytes
 * change. Pieces of other memory are left alone; a part of a piece never frees the rest.
 */
export function giveBack(piece: Uint8Array): void {
  if (piece.buffer instanceof Slab) piece.buffer.takeBack(piece.byteLength);
}

/** Counts which of its bytes are still in somebody's hands. */
class Slab extends ArrayBuffer {
  readonly #idle: Slab[];
  #lent = 0;
  #ended = false;

  constructor(size: number, idle: Slab[]) {
    super(size);
    this.#idle = idle;
  }

  lend(count: number): void {
    this.#lent += count;
  }

  /** No more reads into it before it is idle. */
  end(): void {
    this.#ended = true;
    this.#reuse();
  }

  takeBack(count: number): void {
    this.#lent -= count;
    this.#reuse();
  }

  #reuse(): void {
    if (!this.#ended || this.#lent !== 0 || this.byteLength !== LARGEST) return;
    this.#ended = false;
    this.#idle.push(this);
  }
}
