import type { HeaderMap } from "../header-map.ts";

/** Holds a body to the `content-length` that was sent before it. */
export class ContentLength {
  #left: number | undefined;

  /** @param bodiless true where no body follows whatever the headers say: an answer to HEAD, 204, 304 */
  constructor(headers: HeaderMap, bodiless: boolean) {
    const given = headers.get("content-length");
    this.#left = !bodiless && given !== undefined && /^\d{1,15}$/u.test(given) ? Number(given) : undefined;
  }

  /** How much of the next `size` bytes fits; counts it. */
  take(size: number): number {
    if (this.#left === undefined) return size;
    const fits = Math.min(size, this.#left);
    this.#left -= fits;
    return fits;
  }

  /** Bytes promised and not come. */
  get missing(): number {
    return this.#left ?? 0;
  }
}
