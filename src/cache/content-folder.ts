import { chmod, type FileHandle, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, digestParts, startDigest } from "../domain/digest.ts";
import { errnoOf, WasmeError } from "../domain/errors.ts";
import { createDraft, type FileDraft, makeDirectory, TEMPORARY_PREFIX, writeError } from "../platform/atomic-file.ts";

/** Where content lies, and who wants to know of it. */
export interface ContentFolderOptions {
  /** Absolute; made when it is missing. */
  readonly dir: string;
  /** What follows the hexadecimal digits in the name of a file. */
  readonly suffix: string;
  /** Told of content that can be read from now on, every byte right. */
  readonly onHeld?: (digest: Digest) => void;
  /** Told of content that was removed since its bytes are not those of its name, or that is gone. */
  readonly onLost?: (digest: Digest, why: "altered" | "gone") => void;
}

/** Content that is open for reading. */
export interface OpenContent {
  readonly handle: FileHandle;
  readonly size: number;
  /** Another one when the file was replaced or written to. */
  readonly version: string;
}

/**
 * A folder of files named by their digest. What is read from it was verified: when it was written, else before it is
 * first read, and again when the file looks different than it did then. Other processes may use it at the same time.
 */
export class ContentFolder {
  readonly dir: string;
  readonly #options: ContentFolderOptions;
  readonly #files = new Map<Digest, HeldFile>();
  readonly #checks = new Map<Digest, Promise<FileLook | undefined>>();
  /** Files on their way out: who asks for one waits until it is gone. */
  readonly #removals = new Map<Digest, Promise<number>>();

  constructor(options: ContentFolderOptions) {
    this.#options = options;
    this.dir = options.dir;
  }

  /** Finds what is there, and removes unfinished files of a process that was killed. Throws as `writeFileAtomic` does. */
  async open(): Promise<void> {
    try {
      // Who reads files runs as somebody else; the umask would have its way.
      if ((await makeDirectory(this.dir)) !== undefined) await chmod(this.dir, 0o755);
    } catch (error) {
      throw writeError(error, this.dir);
    }
    for (const name of await readdir(this.dir)) {
      if (name.startsWith(TEMPORARY_PREFIX)) await rm(join(this.dir, name), { force: true });
      const digest = this.#digestOf(name);
      if (digest === undefined) continue;
      const { size = 0 } = (await look(join(this.dir, name))) ?? {};
      this.#files.set(digest, { size, verified: undefined });
    }
  }

  /** What is there as far as we know, verified or not. */
  digests(): readonly Digest[] {
    return [...this.#files.keys()];
  }

  /** Whether it is there as far as we know, verified or not. */
  has(digest: Digest): boolean {
    return this.#files.has(digest);
  }

  /** Bytes of all files as far as we know. */
  usedBytes(): number {
    return [...this.#files.values()].reduce((sum, { size }) => sum + size, 0);
  }

  pathOf(digest: Digest): string {
    return join(this.dir, `${digestParts(digest).hex}${this.#options.suffix}`);
  }

  /** Size of the content when it is there and right. Reads it whole unless it is known already; removes what is wrong. */
  async check(digest: Digest): Promise<number | undefined> {
    await this.#removals.get(digest);
    const known = this.#files.get(digest);
    const now = await look(this.pathOf(digest));
    if (now === undefined) {
      // Only what nobody changed meanwhile: it may have been published anew.
      if (known === this.#files.get(digest)) this.#lose(digest, known);
      return undefined;
    }
    if (known?.verified !== undefined && isSame(known.verified, now)) return now.size;
    return (await this.#verify(digest))?.size;
  }

  /** Opens content that is there and right; the caller closes it. */
  async openContent(digest: Digest): Promise<OpenContent | undefined> {
    if ((await this.check(digest)) === undefined) return undefined;
    return await openForReading(this.pathOf(digest));
  }

  /** Starts writing content; see {@link ContentDraft}. Throws as `writeFileAtomic` does. */
  async draft(like?: Digest): Promise<ContentDraft> {
    const draft = await createDraft(this.dir);
    return new ContentDraft({ draft, like, dir: this.dir, publish: (digest) => this.#publish(draft, digest) });
  }

  /** Removes content; from this moment on it is not here. Gives the bytes that were freed. */
  remove(digest: Digest): Promise<number> {
    const path = this.pathOf(digest);
    this.#files.delete(digest);
    const work = async (): Promise<number> => {
      const size = (await look(path))?.size ?? 0;
      await rm(path, { force: true });
      return size;
    };
    const removal = work().finally(() => this.#removals.delete(digest));
    this.#removals.set(digest, removal);
    return removal;
  }

  async #publish(draft: FileDraft, digest: Digest): Promise<void> {
    await this.#removals.get(digest);
    await draft.commit(this.pathOf(digest), 0o644);
    const verified = await look(this.pathOf(digest));
    this.#files.set(digest, { size: verified?.size ?? 0, verified });
    this.#options.onHeld?.(digest);
  }

  #lose(digest: Digest, known: HeldFile | undefined): void {
    if (this.#files.delete(digest) && known?.verified !== undefined) this.#options.onLost?.(digest, "gone");
  }

  #verify(digest: Digest): Promise<FileLook | undefined> {
    const running = this.#checks.get(digest);
    if (running !== undefined) return running;
    const check = this.#readWhole(digest).finally(() => this.#checks.delete(digest));
    this.#checks.set(digest, check);
    return check;
  }

  async #readWhole(digest: Digest): Promise<FileLook | undefined> {
    const path = this.pathOf(digest);
    const before = await look(path);
    if (before !== undefined && (await hasDigest(path, digest))) {
      // Removed while we read: it is not here, whatever we read.
      if ((await look(path)) === undefined || this.#removals.has(digest)) return undefined;
      this.#files.set(digest, { size: before.size, verified: before });
      this.#options.onHeld?.(digest);
      return before;
    }
    this.#files.delete(digest);
    const after = await look(path);
    // Another process may have put the right file there while we read the wrong one.
    if (before !== undefined && after !== undefined && !isSame(before, after)) return await this.#readWhole(digest);
    if (before !== undefined) await rm(path, { force: true, recursive: true });
    this.#options.onLost?.(digest, before === undefined ? "gone" : "altered");
    return undefined;
  }

  #digestOf(name: string): Digest | undefined {
    const { suffix } = this.#options;
    const hex = name.endsWith(suffix) ? name.slice(0, name.length - suffix.length) : "";
    return digestOfHex(hex);
  }
}

/** What is needed to finish a draft. */
interface DraftParts {
  readonly draft: FileDraft;
  readonly like: Digest | undefined;
  readonly dir: string;
  readonly publish: (digest: Digest) => Promise<void>;
}

/** Content that is being written: nobody sees it before it is published, and nothing is left of it when it is not. */
export class ContentDraft {
  readonly #parts: DraftParts;
  readonly #hash: ReturnType<typeof startDigest>;
  size = 0;

  constructor(parts: DraftParts) {
    this.#parts = parts;
    this.#hash = startDigest(parts.like);
  }

  /** Throws `DISK_FULL` and its like. */
  async write(piece: Uint8Array): Promise<void> {
    this.size += piece.byteLength;
    this.#hash.update(piece);
    try {
      await this.#parts.draft.handle.writeFile(piece);
    } catch (error) {
      throw writeError(error, this.#parts.dir);
    }
  }

  /** Publishes it under the digest of its bytes, which must be `wanted` if that is given. Throws `BLOB_DAMAGED`. */
  async publish(wanted?: Digest): Promise<Digest> {
    const digest = this.#hash.digest();
    if (wanted !== undefined && wanted !== digest) {
      throw new WasmeError("failed", "BLOB_DAMAGED", `the registry sent other bytes than ${wanted}`);
    }
    try {
      await this.#parts.publish(digest);
    } catch (error) {
      throw writeError(error, this.#parts.dir);
    }
    return digest;
  }

  /** Does nothing once it is published. */
  discard(): Promise<void> {
    return this.#parts.draft.discard();
  }
}

/** Opens a file; `undefined` when there is none. The caller closes it. */
export async function openForReading(path: string): Promise<OpenContent | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "r");
    const { size, ino, mtimeMs } = await handle.stat();
    return { handle, size, version: `${ino} ${mtimeMs}` };
  } catch (error) {
    await handle?.close();
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The digest that so many hexadecimal digits are of; `undefined` when they are of none. */
export function digestOfHex(hex: string): Digest | undefined {
  if (/^[0-9a-f]{64}$/u.test(hex)) return `sha256:${hex}` as Digest;
  return /^[0-9a-f]{128}$/u.test(hex) ? (`sha512:${hex}` as Digest) : undefined;
}

interface HeldFile {
  readonly size: number;
  /** How it looked when it was verified; `undefined` before. */
  readonly verified: FileLook | undefined;
}

/** What changes with every change of a file that is not made to be hidden. */
interface FileLook {
  readonly size: number;
  readonly mtimeMs: number;
  readonly inode: number;
}

async function look(path: string): Promise<FileLook | undefined> {
  try {
    const { size, mtimeMs, ino: inode } = await stat(path);
    return { size, mtimeMs, inode };
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

function isSame(one: FileLook, other: FileLook): boolean {
  return one.size === other.size && one.mtimeMs === other.mtimeMs && one.inode === other.inode;
}

/** False also for what is no file. */
async function hasDigest(path: string, digest: Digest): Promise<boolean> {
  const hash = startDigest(digest);
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "r");
    for await (const piece of handle.createReadStream({ highWaterMark: 256 * 1024, autoClose: false })) {
      hash.update(piece as Uint8Array);
    }
    return hash.digest() === digest;
  } catch (error) {
    if (NOT_READABLE.has(errnoOf(error) ?? "")) return false;
    throw error;
  } finally {
    await handle?.close();
  }
}

const NOT_READABLE: ReadonlySet<string> = new Set(["ENOENT", "EISDIR", "EIO"]);
