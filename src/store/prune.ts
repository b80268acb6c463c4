import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Descriptor } from "../domain/descriptor.ts";
import { type Digest, isDigest } from "../domain/digest.ts";
import { errnoOf, WasmeError } from "../domain/errors.ts";
import { type ParsedManifest, referencedBy } from "../domain/manifest.ts";
import { isIndexType, MediaType } from "../domain/media-types.ts";
import { TEMPORARY_PREFIX, writeError } from "../platform/atomic-file.ts";
import type { IndexEntry } from "./index-file.ts";
import type { LayoutPaths } from "./layout.ts";

/** What a clean-up did. */
export interface PruneResult {
  readonly removed: readonly Digest[];
  /** Bytes freed, unfinished files included. */
  readonly bytes: number;
  /** Why nothing was removed: the content of a damaged entry is not known, so all of it might be in use. */
  readonly skipped: string | undefined;
}

/** How old unnamed content must be: longer than any transfer between a blob and its name takes. One hour. */
const PRUNE_GRACE = 60 * 60 * 1000;

/**
 * Removes blobs no entry reaches, and unfinished files, when older than the grace; the caller holds the lock.
 *
 * Why this loses nothing: a writer puts blobs first and the name last. Fresh blobs are protected by the grace; blobs a
 * writer found in place were made young by it; and naming checks under this same lock that everything is there, so a
 * writer that was slower than the grace is told instead of naming a hole.
 */
export async function pruneBlobs(
  paths: LayoutPaths,
  entries: readonly IndexEntry[],
  readManifest: (descriptor: Descriptor) => Promise<ParsedManifest>,
  options: { readonly graceMs?: number | undefined; readonly now: number },
): Promise<PruneResult> {
  const limit = options.now - (options.graceMs ?? PRUNE_GRACE);
  const reached = new Set<Digest>();
  for (const entry of entries) {
    const fault = await mark(entry, reached, readManifest);
    if (fault !== undefined) return { removed: [], bytes: 0, skipped: fault };
  }
  const removed: Digest[] = [];
  let bytes = 0;
  for await (const found of oldFiles(paths, limit)) {
    if (found.digest !== undefined && reached.has(found.digest)) continue;
    if (!(await remove(found.path))) continue;
    bytes += found.size;
    if (found.digest !== undefined) removed.push(found.digest);
  }
  return { removed, bytes, skipped: undefined };
}

/** Adds all that an entry reaches; the answer is what hinders that. */
async function mark(
  entry: IndexEntry,
  reached: Set<Digest>,
  readManifest: (descriptor: Descriptor) => Promise<ParsedManifest>,
): Promise<string | undefined> {
  if (entry.descriptor === undefined) return `${entry.reference} is damaged`;
  const waiting = [entry.descriptor];
  const opened = new Set<Digest>();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    reached.add(next.digest);
    // Not decided by `reached`: one image may list another's manifest as a plain layer, and must not hide its content.
    if (!isManifestType(next.mediaType) || opened.has(next.digest)) continue;
    opened.add(next.digest);
    try {
      const parsed = await readManifest(next);
      const { subject } = parsed.kind === "image" ? parsed.manifest : parsed.index;
      waiting.push(...referencedBy(parsed), ...(subject === undefined ? [] : [subject]));
    } catch (error) {
      if (!(error instanceof WasmeError)) throw error;
      // A child or subject of an index may be absent; then it reaches nothing here. Anything else is damage.
      if (error.code !== "BLOB_MISSING" || next === entry.descriptor)
        return `${entry.reference} is damaged: ${error.message}`;
    }
  }
  return undefined;
}

function isManifestType(mediaType: string): boolean {
  return isIndexType(mediaType) || mediaType === MediaType.ociManifest || mediaType === MediaType.dockerManifest;
}

interface OldFile {
  readonly path: string;
  readonly size: number;
  /** `undefined` for an unfinished file. */
  readonly digest: Digest | undefined;
}

/** Files of the store last touched before `limit`; what has neither a digest's name nor a temporary one is not ours. */
async function* oldFiles(paths: LayoutPaths, limit: number): AsyncGenerator<OldFile> {
  const folders = [
    { dir: paths.ingest, algorithm: undefined },
    { dir: join(paths.blobs, "sha256"), algorithm: "sha256" },
    { dir: join(paths.blobs, "sha512"), algorithm: "sha512" },
    { dir: paths.dir, algorithm: undefined },
  ];
  for (const { dir, algorithm } of folders) {
    for (const name of await namesIn(dir)) {
      const digest = algorithm === undefined ? undefined : `${algorithm}:${name}`;
      const known = digest !== undefined && isDigest(digest) ? digest : undefined;
      if (known === undefined && !name.startsWith(TEMPORARY_PREFIX)) continue;
      const path = join(dir, name);
      const found = await stat(path).catch(() => undefined);
      if (found?.isFile() === true && found.mtimeMs < limit) yield { path, size: found.size, digest: known };
    }
  }
}

async function namesIn(dir: string): Promise<readonly string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

async function remove(path: string): Promise<boolean> {
  try {
    await rm(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw writeError(error, path);
  }
}
