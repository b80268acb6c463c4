import { type BodySource, collect } from "../domain/content.ts";
import { type Digest, isDigest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { MAX_MANIFEST, type OciIndex, parseManifest } from "../domain/manifest.ts";
import { MediaType } from "../domain/media-types.ts";
import { decodeTarHeader, TAR_BLOCK } from "../domain/ustar.ts";
import type { ImageStore } from "../store/image-store.ts";
import { gunzip } from "./gzip.ts";
import { readTar, type TarEntry } from "./read-tar.ts";

/** What an archive turned out to hold; its blobs are in the store, every byte checked, without a name. */
export interface ReadArchive {
  readonly index: OciIndex;
  /** Blobs of the archive, and their bytes. */
  readonly blobs: ReadonlyMap<Digest, number>;
}

/** Bytes on their way in. */
interface Source {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** The archive, for messages. */
  readonly title: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a tar archive, gzipped or not, that is an OCI image layout, in one pass: blobs go into the store under the
 * digest their name says, and only if they have it. No path of the archive is ever written to, links are not followed,
 * and what is neither the layout nor its content is left alone.
 * Throws `ARCHIVE_INVALID` (failed) for what is no intact layout or has more in it than any real one, and errors of the
 * disk.
 */
export async function readArchive(store: Pick<ImageStore, "push">, source: Source): Promise<ReadArchive> {
  const { title, signal } = source;
  const reader = new LayoutReader(store, source);
  let members = 0;
  try {
    for await (const entry of readTar(await unpacked(source), MAX_ARCHIVE)) {
      signal?.throwIfAborted();
      members += 1;
      if (members > MAX_MEMBERS) throw invalid(title, `it has more than ${MAX_MEMBERS} members`);
      await reader.take(entry);
    }
  } catch (error) {
    if (!(error instanceof WasmeError) || error.code !== "LAYER_INVALID") throw error;
    throw invalid(title, error.message.replace(/^the layer cannot be unpacked: /u, ""), error);
  }
  return reader.done();
}

/** Sorts the members of an archive: layout files are kept, blobs go into the store. */
class LayoutReader {
  readonly #store: Pick<ImageStore, "push">;
  readonly #title: string;
  readonly #signal: AbortSignal | undefined;
  readonly #blobs = new Map<Digest, number>();
  readonly #files = new Map<string, Uint8Array>();
  #foreign = 0;

  constructor(store: Pick<ImageStore, "push">, { title, signal }: Source) {
    this.#store = store;
    this.#title = title;
    this.#signal = signal;
  }

  async take(entry: TarEntry): Promise<void> {
    const name = entry.name.replace(/^(?:\.\/)+/u, "");
    if (name.startsWith("/") || name.split("/").includes("..")) throw this.#invalid(entry, "leads out of it");
    const [, algorithm, hex] = /^blobs\/([^/]+)\/([^/]+)$/u.exec(name) ?? [];
    const isBlob = algorithm !== undefined && hex !== undefined;
    if (!isBlob && !LAYOUT_FILES.has(name)) return this.#passBy(entry);
    if (entry.size > MAX_BLOB) throw this.#invalid(entry, `is larger than ${MAX_BLOB} bytes`);
    if (entry.type === "5") return;
    if (entry.type !== "0") throw this.#invalid(entry, "is not a regular file");
    if (isBlob) return await this.#takeBlob(entry, `${algorithm}:${hex}`);
    if (this.#files.has(name)) throw this.#invalid(entry, "is in it twice");
    this.#files.set(name, await collect(entry.body, MAX_MANIFEST, () => this.#invalid(entry, "is too large")));
  }

  done(): ReadArchive {
    const [marker, index] = [this.#files.get("oci-layout"), this.#files.get("index.json")];
    if (marker === undefined || index === undefined) {
      throw new WasmeError("failed", "ARCHIVE_INVALID", `${this.#title} is not an OCI image layout`, {
        hint: "make it with wasme save, docker save of Docker 25 or newer, or skopeo copy … oci-archive:FILE",
      });
    }
    const version = tryParseJson(Buffer.from(marker).toString("utf8"));
    if (!isObject(version) || version["imageLayoutVersion"] !== "1.0.0") {
      throw invalid(this.#title, "its oci-layout does not name version 1.0.0");
    }
    return { index: this.#parseIndex(index), blobs: this.#blobs };
  }

  /** What does not belong to the layout costs time only; a little of it is usual, much of it is a trap. */
  #passBy(entry: TarEntry): void {
    this.#foreign += entry.size;
    if (this.#foreign > MAX_FOREIGN) throw this.#invalid(entry, "does not belong in it, and is large");
  }

  async #takeBlob(entry: TarEntry, digest: string): Promise<void> {
    // What the tools of an operating system leave beside files (`._…`) is not part of the layout.
    if (!isDigest(digest)) return;
    if (this.#blobs.has(digest)) throw this.#invalid(entry, "is in it twice");
    const descriptor = { mediaType: "application/octet-stream", digest, size: entry.size };
    // The store asks for it at most once: what came by in an archive cannot be had again.
    const body: BodySource = { size: entry.size, open: () => entry.body };
    try {
      await this.#store.push(descriptor, body, this.#signal);
    } catch (error) {
      if (!(error instanceof WasmeError) || error.code !== "DIGEST_MISMATCH") throw error;
      throw this.#invalid(entry, "was altered: it does not have the digest its name says", error);
    }
    this.#blobs.set(digest, entry.size);
  }

  #parseIndex(bytes: Uint8Array): OciIndex {
    try {
      const parsed = parseManifest(bytes, MediaType.ociIndex);
      if (parsed.kind === "index") return parsed.index;
    } catch (error) {
      if (error instanceof WasmeError) throw invalid(this.#title, `its index.json is broken: ${error.message}`, error);
      throw error;
    }
    throw invalid(this.#title, "its index.json is not an index");
  }

  #invalid(entry: TarEntry, why: string, cause?: unknown): Error {
    return invalid(this.#title, `its member ${JSON.stringify(entry.name.slice(0, 200))} ${why}`, cause);
  }
}

/** The tar archive itself; tells by the first block what it is not. */
async function unpacked({ chunks, title }: Source): Promise<AsyncIterable<Uint8Array>> {
  const source = await peek(chunks);
  const isGzip = source.head[0] === 0x1f && source.head[1] === 0x8b;
  const plain = isGzip ? await peek(gunzip(source.all)) : source;
  const block = plain.head.subarray(0, TAR_BLOCK);
  if (block.byteLength === TAR_BLOCK && decodeTarHeader(block) !== "invalid") return plain.all;
  await plain.close();
  throw invalid(title, "it is not a tar archive");
}

interface Peeked {
  /** The first block, and what came with it. */
  readonly head: Uint8Array;
  /** The whole stream. */
  readonly all: AsyncIterable<Uint8Array>;
  readonly close: () => Promise<unknown>;
}

async function peek(chunks: AsyncIterable<Uint8Array>): Promise<Peeked> {
  const iterator = chunks[Symbol.asyncIterator]();
  const close = async (): Promise<unknown> => await iterator.return?.();
  let head: Uint8Array = new Uint8Array(0);
  while (head.byteLength < TAR_BLOCK) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
    } finally {
      await close();
    }
  }
  return { head, all: all(), close };
}

function invalid(title: string, why: string, cause?: unknown): Error {
  return new WasmeError("failed", "ARCHIVE_INVALID", `${title} cannot be loaded: ${why}`, { cause });
}

const LAYOUT_FILES: ReadonlySet<string> = new Set(["oci-layout", "index.json"]);
/** More than any archive of filters; bounds what a small gzip file may unpack to. Bytes. */
const MAX_ARCHIVE = 16 * 1024 * 1024 * 1024;
/** More than any module or layer of a filter. Bytes. */
const MAX_BLOB = 2 * 1024 * 1024 * 1024;
/** Files beside the layout, such as Docker's own lists. Bytes, all together. */
const MAX_FOREIGN = 64 * 1024 * 1024;
const MAX_MEMBERS = 100_000;
