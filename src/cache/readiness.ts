import type { ImageLists } from "./image-lists.ts";
import type { ReportBook } from "./report-book.ts";

/** What readiness is told from. */
export interface ReadinessDeps {
  readonly lists: ImageLists;
  readonly book: ReportBook;
  /** Why the list cannot be read. */
  readonly trouble: () => string | undefined;
}

/**
 * Tells whether this node's proxies may be sent here: once everything the list holds is on the node or has failed for good,
 * also what came while this was awaited. From then on always: what comes later is waited for by those who need it.
 */
export class Readiness {
  readonly #lists: ImageLists;
  readonly #book: ReportBook;
  readonly #trouble: () => string | undefined;
  #isReady = false;

  constructor(deps: ReadinessDeps) {
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
    const { entries } = this.#lists;
    const missing = entries.filter(({ id }) => this.#book.of(id)?.state === "pulling").length;
    if (missing > 0) return `${missing} of ${entries.length} images of the list are not on the node yet`;
    this.#isReady = true;
    return undefined;
  }
}
