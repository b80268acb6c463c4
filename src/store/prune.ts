import { rm } from "node:fs/promises";
import type { Descriptor } from "../domain/descriptor.ts";
import type { Digest } from "../domain/digest.ts";
import { errnoOf } from "../domain/errors.ts";
import type { ParsedManifest } from "../domain/manifest.ts";
import { writeError } from "../platform/atomic-file.ts";
import type { IndexEntry } from "./index-file.ts";
import { blobPath, type LayoutPaths } from "./layout.ts";
import { markReachable } from "./mark.ts";
import { storedFiles } from "./stored-files.ts";

/** What a clean-up did, or would do. */
export interface PruneResult {
  readonly removed: readonly Digest[];
  /** Unfinished files that writers left behind. */
  readonly unfinished: number;
  /** Bytes freed, unfinished files included. */
  readonly bytes: number;
  /** What no entry reaches either, but is too young to go. */
  readonly young: { readonly files: number; readonly bytes: number };
  /** Why nothing was removed: the content of a damaged entry is not known, so all of it might be in use. */
  readonly skipped: string | undefined;
}

/** A clean-up that found nothing to do. */
export const NOTHING: PruneResult = {
  removed: [],
  unfinished: 0,
  bytes: 0,
  young: { files: 0, bytes: 0 },
  skipped: undefined,
};

/** The store as a clean-up finds it. */
export interface StoreContent {
  readonly paths: LayoutPaths;
  readonly entries: readonly IndexEntry[];
  readonly readManifest: (descriptor: Descriptor) => Promise<ParsedManifest>;
}

/** How old unnamed content must be: longer than any transfer between a blob and its name takes. One hour. */
const PRUNE_GRACE = 60 * 60 * 1000;

/**
 * Removes blobs no entry reaches, and unfinished files, when older than the grace; the caller holds the lock. A dry run
 * needs no lock: it only looks.
 *
 * Why this loses nothing: a writer puts blobs first and the name last. Fresh blobs are protected by the grace; blobs a
 * writer found in place were made young by it; and naming checks under this same lock that everything is there, so a
 * writer that was slower than the grace is told instead of naming a hole.
 */
export async function pruneBlobs(
  { paths, entries, readManifest }: StoreContent,
  options: { readonly graceMs?: number | undefined; readonly now: number; readonly dryRun?: boolean },
): Promise<PruneResult> {
  const limit = options.now - (options.graceMs ?? PRUNE_GRACE);
  const { reached, fault } = await markReachable(entries, readManifest);
  if (fault !== undefined) return { ...NOTHING, skipped: fault };
  const removed: Digest[] = [];
  let unfinished = 0;
  let bytes = 0;
  const young = { files: 0, bytes: 0 };
  for await (const found of storedFiles(paths)) {
    // What has neither a digest's name nor a temporary one is not ours.
    if (found.kind === "stray" || (found.digest !== undefined && reached.has(found.digest))) continue;
    if (found.touched >= limit) {
      young.files += 1;
      young.bytes += found.size;
      continue;
    }
    if (options.dryRun !== true && !(await remove(found.path))) continue;
    bytes += found.size;
    if (found.digest === undefined) unfinished += 1;
    else removed.push(found.digest);
  }
  return { removed, unfinished, bytes, young, skipped: undefined };
}

/** Removes one blob unless an entry reaches it, see `ImageStore.removeBlob`; the caller holds the lock. */
export async function removeUnreached(
  { paths, entries, readManifest }: StoreContent,
  digest: Digest,
): Promise<"removed" | "absent" | "in-use"> {
  const { reached, fault } = await markReachable(entries, readManifest);
  if (fault !== undefined || reached.has(digest)) return "in-use";
  return (await remove(blobPath(paths, digest))) ? "removed" : "absent";
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
