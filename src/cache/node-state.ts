import { join } from "node:path";
import { type Digest, isDigest } from "../domain/digest.ts";
import { errnoOf } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { writeFileAtomic } from "../platform/atomic-file.ts";
import { readAtMost } from "../platform/read-file.ts";
import { type CachedImage, parseCachedImage } from "./cached-image.ts";

/**
 * What a node's cache remembers beside the modules, so that after a restart it needs neither the API server nor a
 * registry for what it has. None of it is believed without the modules' own digests.
 */
export class NodeState {
  /** The list's data as the API server last told it; `undefined` when it never did. */
  list: Readonly<Record<string, string>> | undefined;
  /** By manifest. */
  readonly images: Map<Digest, CachedImage> = new Map();
  /** What references without a digest meant when they were last looked up: the top manifest. */
  readonly tags: Map<string, Digest> = new Map();
  /** For how long modules were served that nobody lists. Milliseconds. */
  readonly lingered: Map<Digest, number> = new Map();
  readonly #path: string;
  #written = "";
  #writing: Promise<void> = Promise.resolve();
  /** A write that has not begun: it will have everything. */
  #queued: Promise<void> | undefined;

  constructor(directory: string) {
    this.#path = join(directory, STATE_FILE);
  }

  /** Reads what an earlier process left. False when there is nothing to be read: no file, or no whole one. */
  async load(): Promise<boolean> {
    const value = await readState(this.#path);
    if (value === undefined) return false;
    if (isObject(value["list"])) this.list = strings(value["list"]);
    const images: readonly unknown[] = Array.isArray(value["images"]) ? value["images"] : [];
    for (const image of images.map(parseCachedImage)) {
      if (image !== undefined) this.images.set(image.manifest.digest, image);
    }
    this.#loadDigests(value);
    return true;
  }

  #loadDigests(value: Readonly<Record<string, unknown>>): void {
    for (const [name, digest] of entriesOf(value["tags"])) {
      if (typeof digest === "string" && isDigest(digest)) this.tags.set(name, digest);
    }
    for (const [digest, ms] of entriesOf(value["lingered"])) {
      if (typeof ms === "number" && ms >= 0 && isDigest(digest)) this.lingered.set(digest, ms);
    }
  }

  /** Writes it when it changed, one write after the other. Throws `DISK_FULL` and its like. */
  save(): Promise<void> {
    this.#queued ??= this.#writing.then(() => {
      this.#queued = undefined;
      return this.#write();
    });
    const saved = this.#queued;
    this.#writing = saved.catch(() => undefined);
    return saved;
  }

  /** Once everything that was to be saved is, or failed. */
  async written(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    const text = JSON.stringify({
      version: 1,
      list: this.list,
      images: [...this.images.values()],
      tags: Object.fromEntries(this.tags),
      lingered: Object.fromEntries(this.lingered),
    });
    if (text === this.#written) return;
    await writeFileAtomic(this.#path, text);
    this.#written = text;
  }

  /** The image a manifest or an index stands for. */
  imageOf(digest: Digest): CachedImage | undefined {
    const image = this.images.get(digest);
    if (image !== undefined) return image;
    for (const each of this.images.values()) if (each.top === digest) return each;
    return undefined;
  }

  /** Forgets the images of a module that is gone for good. */
  forget(module: Digest): void {
    this.lingered.delete(module);
    for (const [manifest, image] of this.images) if (image.module === module) this.images.delete(manifest);
    const tops = new Set([...this.images.values()].map(({ top }) => top));
    for (const [name, top] of this.tags) if (!tops.has(top)) this.tags.delete(name);
  }
}

/** Its name begins with a dot: no module is called so. */
export const STATE_FILE = ".cache.json";
/** Bytes; thousands of images take less. */
const MAX_STATE = 64 * 1024 * 1024;

async function readState(path: string): Promise<Record<string, unknown> | undefined> {
  const bytes = await readAtMost(path, MAX_STATE).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "EISDIR") return undefined;
    throw error;
  });
  const value = bytes === undefined ? undefined : tryParseJson(Buffer.from(bytes).toString("utf8"));
  return isObject(value) && value["version"] === 1 ? value : undefined;
}

function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return isObject(value) ? Object.entries(value) : [];
}

function strings(value: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
