/**
 * Bytes of a body on their way: a list of pieces that are never copied but when read. The pieces handed in belong to the
 * buffer from then on; the ones handed out must not be written to.
 */
export class BodyBuffer {
  #pieces: Uint8Array[] = [];
  #length = 0;

  constructor(piece?: Uint8Array) {
    if (piece !== undefined) this.append(piece);
  }

  /** Bytes held. */
  get length(): number {
    return this.#length;
  }

  /** The pieces, in order; none is empty. */
  get pieces(): readonly Uint8Array[] {
    return this.#pieces;
  }

  /** Adds at the end. An empty piece is left out. */
  append(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#length += piece.length;
  }

  /** Adds at the front. */
  prepend(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.unshift(piece);
    this.#length += piece.length;
  }

  /** Takes `count` bytes off the front, at most all. */
  drain(count: number): void {
    let left = Math.min(count, this.#length);
    this.#length -= left;
    let whole = 0;
    for (const piece of this.#pieces) {
      if (piece.length > left) break;
      left -= piece.length;
      whole += 1;
    }
    if (whole > 0) this.#pieces.splice(0, whole);
    const [first] = this.#pieces;
    if (left > 0 && first !== undefined) this.#pieces[0] = first.subarray(left);
  }

  /** Moves everything out of `other` to the end of this one; nothing happens when both are the same. */
  moveFrom(other: BodyBuffer): void {
    if (other === this) return;
    for (const piece of other.#pieces) this.#pieces.push(piece);
    this.#length += other.#length;
    other.#pieces = [];
    other.#length = 0;
  }

  /** Writes the bytes from `start` on to `target` until either ends; how many. */
  copyTo(target: Uint8Array, start: number): number {
    let skip = start;
    let at = 0;
    for (const piece of this.#pieces) {
      if (at === target.length) break;
      if (skip >= piece.length) {
        skip -= piece.length;
        continue;
      }
      const part = piece.subarray(skip, Math.min(piece.length, skip + target.length - at));
      target.set(part, at);
      at += part.length;
      skip = 0;
    }
    return at;
  }

  /** All bytes in one piece, copied only when there are several; the buffer is empty afterwards. */
  take(): Uint8Array {
    if (this.#length === 0) return NOTHING;
    const [first] = this.#pieces;
    const whole = this.#pieces.length === 1 && first !== undefined ? first : this.bytes();
    this.#pieces = [];
    this.#length = 0;
    return whole;
  }

  /** A copy of all bytes in one piece. */
  bytes(): Uint8Array {
    const whole = new Uint8Array(this.#length);
    this.copyTo(whole, 0);
    return whole;
  }
}

const NOTHING = new Uint8Array(0);
