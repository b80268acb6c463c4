import type { HeaderMap } from "../header-map.ts";

/** What decides how a body is held to its length. */
export interface GuardOptions {
  /** No body follows, whatever the headers say: an answer to HEAD, 204, 304. */
  readonly bodiless?: boolean;
  /** The other end gives up a message that is too long (HTTP/2), instead of leaving the rest (HTTP/1). */
  readonly strict?: boolean;
}

/**
 * Holds a body to the `content-length` that was sent before it. Envoy does not: what is too long runs into the next message
 * of an HTTP/1 connection, and of what is too short the other end waits for the rest.
 */
export class LengthGuard {
  readonly #bodiless: boolean;
  readonly #strict: boolean;
  #left: number | undefined;
  #longer = false;

  constructor(headers: HeaderMap, options: GuardOptions = {}) {
    this.#bodiless = options.bodiless ?? false;
    this.#strict = options.strict ?? false;
    const given = headers.get("content-length");
    this.#left = !this.#bodiless && given !== undefined && /^\d{1,15}$/u.test(given) ? Number(given) : undefined;
  }

  /** As much of the next bytes as may be sent. */
  take(bytes: Uint8Array): Uint8Array {
    if (this.#bodiless) return NOTHING;
    if (this.#left === undefined) return bytes;
    if (bytes.length > this.#left) this.#longer = true;
    if (this.#longer && this.#strict) return NOTHING;
    const fits = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
    this.#left -= fits.length;
    return fits;
  }

  /** True when the message cannot end in order here. */
  get broken(): boolean {
    return (this.#longer && this.#strict) || (!this.#longer && (this.#left ?? 0) > 0);
  }
}

const NOTHING = new Uint8Array(0);
