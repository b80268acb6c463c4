/** Lines and characters of one second that are told; whatever reads them has to keep up. */
const MOST = { lines: 2000, characters: 4 * 1024 * 1024 } as const;

/** The longest line that is told whole. Characters. */
const LONGEST = 64 * 1024;

const SECOND = 1_000_000_000n;

/** Lets so much of a log through in a second: a filter writes faster than anything can be shown, and nobody would read it. */
export class LogGate {
  readonly #monotonic: () => bigint;
  #began: bigint;
  #lines = 0;
  #characters = 0;
  #leftOut = 0;

  /** @param monotonic nanoseconds from any start */
  constructor(monotonic: () => bigint) {
    this.#monotonic = monotonic;
    this.#began = monotonic();
  }

  /** The text as it is to be told, cut when it is very long; `undefined` for one too many. */
  take(text: string): string | undefined {
    // The clock is asked when the limit is reached only: few filters ever come near.
    if (this.#isFull() && !this.#renew()) {
      this.#leftOut += 1;
      return undefined;
    }
    const shown = text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}… (${text.length} characters)`;
    this.#lines += 1;
    this.#characters += shown.length;
    return shown;
  }

  /** How many were left out, once their second is over; it is told once. */
  leftOut(): number {
    if (this.#leftOut === 0 || !this.#renew()) return 0;
    const count = this.#leftOut;
    this.#leftOut = 0;
    return count;
  }

  #isFull(): boolean {
    return this.#lines >= MOST.lines || this.#characters >= MOST.characters;
  }

  /** A new second begins, when the last one is over. */
  #renew(): boolean {
    const now = this.#monotonic();
    if (now - this.#began < SECOND) return false;
    this.#began = now;
    this.#lines = 0;
    this.#characters = 0;
    return true;
  }
}
