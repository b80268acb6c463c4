import { BodyBuffer } from "../body-buffer.ts";

/**
 * The body one half holds back while a filter stopped it, with Envoy's two watermarks: more than the limit, and, after
 * that, no more than half of it.
 */
export class HeldBody {
  /** `undefined` until a piece was held for the first time; stays after that, be it empty. */
  buffer: BodyBuffer | undefined;
  /** Whether the sender can be asked to wait (watermark) instead of giving the body up (buffer). */
  streaming = true;
  #above = false;
  readonly #limit: number;
  readonly #crossed: (above: boolean) => void;

  /**
   * @param limit bytes
   * @param crossed told when the held bytes exceed the limit, and when they are down to half of it again
   */
  constructor(limit: number, crossed: (above: boolean) => void) {
    this.#limit = limit;
    this.#crossed = crossed;
  }

  /** Adds a piece at the end; the held buffer itself is left as it is. */
  hold(piece: BodyBuffer): void {
    this.buffer ??= new BodyBuffer();
    this.buffer.moveFrom(piece);
    this.watch();
  }

  /** Looks at the watermarks; to be called after anyone may have changed the buffer. */
  watch(): void {
    const length = this.buffer?.length ?? 0;
    if (!this.#above && length > this.#limit) {
      this.#above = true;
      this.#crossed(true);
    } else if (this.#above && length <= this.#limit / 2) {
      this.#above = false;
      this.#crossed(false);
    }
  }
}
