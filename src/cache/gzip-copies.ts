import { createReadStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { type Digest, digestParts, startDigest } from "../domain/digest.ts";
import { createDraft } from "../platform/atomic-file.ts";
import type { Log } from "../platform/json-log.ts";
import type { ContentFolder, OpenContent } from "./content-folder.ts";
import { openForReading } from "./content-folder.ts";
import { Limit } from "./limit.ts";

/** What copies are made of and where. */
export interface GzipCopiesOptions {
  /** Absolute; emptied at the start: copies are quicker made than verified. */
  readonly dir: string;
  readonly modules: ContentFolder;
  /** True when so many bytes may be used for a mere copy. */
  readonly hasSpare: (bytes: number) => boolean;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Compressed copies of modules, each made once after its module arrived. Without one a module is served as it is. */
export class GzipCopies {
  readonly #options: GzipCopiesOptions;
  readonly #sizes = new Map<Digest, number>();
  readonly #limit = new Limit(1);
  readonly #making = new Map<Digest, Promise<void>>();

  constructor(options: GzipCopiesOptions) {
    this.#options = options;
  }

  /** Removes what an earlier process left. Never fails: a copy that cannot be made is no loss. */
  async clear(): Promise<void> {
    this.#sizes.clear();
    await rm(this.#options.dir, { recursive: true, force: true }).catch(() => undefined);
  }

  /** Makes the copy of a module when nothing else is to be done; never throws. */
  async make(module: Digest): Promise<void> {
    const { signal, log } = this.#options;
    if (this.#sizes.has(module) || this.#making.has(module)) return;
    const making = this.#limit
      .run(() => this.#write(module), signal)
      .catch((error: unknown) => {
        if (!signal.aborted) log.debug("no compressed copy was made", { module, error });
      });
    this.#making.set(module, making);
    await making.finally(() => this.#making.delete(module));
  }

  /** Once nothing is written any more; after the signal. */
  async ended(): Promise<void> {
    await Promise.all(this.#making.values());
  }

  /** Opens the copy; the caller closes it. `undefined` when there is none. */
  async open(module: Digest): Promise<OpenContent | undefined> {
    const size = this.#sizes.get(module);
    if (size === undefined) return undefined;
    const content = await openForReading(this.#pathOf(module));
    if (content?.size === size) return content;
    this.#sizes.delete(module);
    await content?.handle.close();
    return undefined;
  }

  async remove(module: Digest): Promise<void> {
    this.#sizes.delete(module);
    await rm(this.#pathOf(module), { force: true }).catch(() => undefined);
  }

  /** Bytes of all copies. */
  usedBytes(): number {
    return [...this.#sizes.values()].reduce((sum, size) => sum + size, 0);
  }

  async #write(module: Digest): Promise<void> {
    const { dir, modules, hasSpare, signal } = this.#options;
    const size = await modules.check(module);
    if (size === undefined || size < WORTH_IT || !hasSpare(size)) return;
    const draft = await createDraft(dir);
    const hash = startDigest(module);
    try {
      // A file that stays open after a failure would keep its room on a disk that is full.
      await pipeline(
        createReadStream(modules.pathOf(module)),
        async function* (pieces: AsyncIterable<Uint8Array>) {
          for await (const piece of pieces) {
            hash.update(piece);
            yield piece;
          }
        },
        createGzip({ level: LEVEL }),
        async (packed: AsyncIterable<Uint8Array>) => {
          for await (const piece of packed) await draft.handle.writeFile(piece);
        },
        { signal },
      );
      // Altered or evicted while it was read: a copy of that would be served as long as this process lives.
      if (hash.digest() !== module || !modules.has(module)) return;
      await draft.commit(this.#pathOf(module), 0o644);
    } finally {
      await draft.discard();
    }
    const { size: packed } = await stat(this.#pathOf(module));
    if (modules.has(module)) this.#sizes.set(module, packed);
    else await this.remove(module);
  }

  #pathOf(module: Digest): string {
    return join(this.#options.dir, `${digestParts(module).hex}.gz`);
  }
}

/** Less than this is one packet either way. Bytes. */
const WORTH_IT = 1400;
const LEVEL = 6;
