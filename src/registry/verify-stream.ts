import type { Descriptor } from "../domain/descriptor.ts";
import { type DigestStream, startDigest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";

/** Counts and hashes content on its way, and holds its last piece back until the whole is known to be right. */
export class ContentCheck {
  /** Bytes seen. */
  offset = 0;
  readonly #descriptor: Descriptor;
  readonly #host: string;
  readonly #hash: DigestStream;
  #held: Uint8Array | undefined;

  constructor(descriptor: Descriptor, host: string) {
    this.#descriptor = descriptor;
    this.#host = host;
    this.#hash = startDigest(descriptor.digest);
  }

  /** Takes a piece and gives the one before it. Throws `BLOB_DAMAGED` (failed) as soon as there are too many bytes. */
  take(piece: Uint8Array): Uint8Array | undefined {
    this.offset += piece.byteLength;
    if (this.offset > this.#descriptor.size) throw this.damaged(`more than ${this.#descriptor.size} bytes`);
    this.#hash.update(piece);
    const before = this.#held;
    this.#held = piece;
    return before;
  }

  /** Gives the last piece. Throws `BLOB_DAMAGED` (failed) unless size and digest are right. */
  finish(): Uint8Array | undefined {
    if (this.offset !== this.#descriptor.size) {
      throw this.damaged(`${this.offset} of ${this.#descriptor.size} bytes`);
    }
    if (this.#hash.digest() !== this.#descriptor.digest) throw this.damaged("other bytes than its digest says");
    return this.#held;
  }

  /** The error for content that is not what its descriptor says. */
  damaged(what: string): WasmeError {
    const message = `${this.#host} sent a damaged blob: ${what} for ${this.#descriptor.digest}`;
    return new WasmeError("failed", "BLOB_DAMAGED", message, {
      hint: "nothing was stored; push the image again, or check what is between you and the registry",
      details: { host: this.#host, digest: this.#descriptor.digest },
    });
  }
}
