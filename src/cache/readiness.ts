import type { ImageLists } from "./image-lists.ts";
import type { ReportBook } from "./report-book.ts";

/**
 * Tells whether this node's proxies may be sent here: once everything the list held at the start is on the node, has
 * failed for good or is no longer listed. From then on always: what comes later is waited for by those who need it.
 */
export class Readiness {
  readonly #lists: ImageLists;
  readonly #book: ReportBook;
  readonly #trouble: () => string | undefined;
  #atStart: readonly string[] | undefined;
  #isReady = false;

  constructor(deps: {
    readonly lists: ImageLists;
    readonly book: ReportBook;
    /** Why the list cannot be read. */
    readonly trouble: () => string | undefined;
  }) {
    this.#lists = deps.lists;
    this.#book = deps.book;
    this.#trouble = deps.trouble;
  }

  /** Why not, one line without names of images: anybody may ask. */
  check(): string | undefined {
    if (this.#isReady) return undefined;
    if (!this.#lists.isKnown) {
      const why = this.#trouble();
      const what = `the list of images is not known yet (${this.#lists.missing.join(", ")})`;
      return why === undefined ? what : `${what}: ${why}`;
    }
    this.#atStart ??= this.#lists.entries.map(({ id }) => id);
    const states = this.#atStart.map((id) => this.#book.of(id)?.state).filter((state) => state !== undefined);
    const missing = states.filter((state) => state === "pulling").length;
    if (missing > 0) return `${missing} of ${this.#atStart.length} images of the list are not on the node yet`;
    this.#isReady = true;
    return undefined;
  }
}
