import type { Descriptor } from "../domain/descriptor.ts";
import { type Digest, startDigest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { type ParsedManifest, referencedBy } from "../domain/manifest.ts";
import { isNonDistributable } from "../domain/media-types.ts";
import { readRaw } from "./blob-reader.ts";
import type { IndexEntry } from "./index-file.ts";
import { blobPath, type LayoutPaths } from "./layout.ts";
import { isManifestType } from "./mark.ts";

/** What is wrong with something stored. */
export interface StoreFault {
  /** The blob that is concerned; absent when the entry itself is. */
  readonly digest?: Digest;
  /** One sentence. */
  readonly message: string;
}

/** A blob file that was read whole. */
export interface HashedBlob {
  /** Bytes. */
  readonly size: number;
  /** What is wrong with it; `undefined` when its content has the digest the file is named by. */
  readonly fault: string | undefined;
}

/** Hashes blobs, each once, however many ask for it. */
export class BlobHasher {
  /** How many were read, and their bytes so far. */
  blobs = 0;
  bytes = 0;
  readonly #paths: LayoutPaths;
  readonly #options: HashOptions;
  readonly #known = new Map<Digest, Promise<HashedBlob | undefined>>();

  constructor(paths: LayoutPaths, options: HashOptions) {
    this.#paths = paths;
    this.#options = options;
  }

  /** Reads a blob whole; `undefined` when there is none. */
  hash(digest: Digest): Promise<HashedBlob | undefined> {
    const found = this.#known.get(digest) ?? this.#read(digest);
    this.#known.set(digest, found);
    return found;
  }

  async #read(digest: Digest): Promise<HashedBlob | undefined> {
    const hash = startDigest(digest);
    let size = 0;
    try {
      for await (const chunk of readRaw(blobPath(this.#paths, digest), digest, {}, this.#options.signal)) {
        hash.update(chunk);
        size += chunk.byteLength;
        this.bytes += chunk.byteLength;
        this.#options.tell?.(this.bytes);
      }
    } catch (error) {
      if (!(error instanceof WasmeError)) throw error;
      // One unreadable place on a disk must not hide what the others are like.
      return error.code === "BLOB_MISSING" ? undefined : { size, fault: error.message };
    }
    this.blobs += 1;
    return { size, fault: hash.digest() === digest ? undefined : `${digest} was altered` };
  }
}

interface HashOptions {
  /** Hears how many bytes were read so far. */
  readonly tell?: (bytes: number) => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * Everything that is wrong with an entry; empty for an intact image. What an index lists and what a manifest is about
 * (its subject) may be absent (OCI image spec), and layers that may not be distributed, but not altered.
 */
export async function faultsOf(
  entry: IndexEntry,
  hasher: BlobHasher,
  readManifest: (descriptor: Descriptor) => Promise<ParsedManifest>,
): Promise<readonly StoreFault[]> {
  if (entry.descriptor === undefined) return [{ message: entry.fault ?? "it is not a descriptor" }];
  const faults: StoreFault[] = [];
  const seen = new Set<string>();
  const waiting: Link[] = [{ to: entry.descriptor, isManifest: true, mayMiss: false }];
  for (let link = waiting.pop(); link !== undefined; link = waiting.pop()) {
    const { to, isManifest } = link;
    const key = `${to.digest} ${to.size} ${isManifest}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const blob = await hasher.hash(to.digest);
    const message = faultOf(link, blob);
    if (message !== undefined) faults.push({ digest: to.digest, message });
    if (message !== undefined || blob === undefined || !isManifest) continue;
    try {
      waiting.push(...linksOf(await readManifest(to)));
    } catch (error) {
      if (!(error instanceof WasmeError)) throw error;
      faults.push({ digest: to.digest, message: error.message });
    }
  }
  return faults;
}

/** Something an entry leads to. */
interface Link {
  readonly to: Descriptor;
  readonly isManifest: boolean;
  readonly mayMiss: boolean;
}

function linksOf(parsed: ParsedManifest): readonly Link[] {
  const { subject } = parsed.kind === "image" ? parsed.manifest : parsed.index;
  const isIndex = parsed.kind === "index";
  const content = referencedBy(parsed).map((to) => {
    const mayMiss = isIndex || isNonDistributable(to.mediaType);
    return { to, isManifest: isIndex && isManifestType(to.mediaType), mayMiss };
  });
  if (subject === undefined) return content;
  return [...content, { to: subject, isManifest: isManifestType(subject.mediaType), mayMiss: true }];
}

function faultOf({ to, mayMiss }: Link, blob: HashedBlob | undefined): string | undefined {
  if (blob === undefined) return mayMiss ? undefined : `${to.digest} is missing`;
  if (blob.size !== to.size) return `${to.digest} has ${blob.size} instead of ${to.size} bytes`;
  return blob.fault;
}
