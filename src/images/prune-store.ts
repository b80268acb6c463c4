import type { Digest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import type { ImageStore } from "../store/image-store.ts";

/** How to clean up. */
export interface PruneRequest {
  /** How long unnamed content is kept, in milliseconds. */
  readonly graceMs: number;
  /** Only tells what would be removed; nothing is written, not even a lock. */
  readonly dryRun: boolean;
}

/** What was removed, or would be. */
export interface PruneStoreResult {
  readonly dryRun: boolean;
  /** Blobs no image needs. */
  readonly removed: readonly Digest[];
  /** Files that interrupted commands left behind. */
  readonly unfinishedFiles: number;
  /** Bytes freed by both. */
  readonly freedBytes: number;
  /** What no image needs either, but is younger than the grace. */
  readonly young: { readonly files: number; readonly bytes: number };
}

/**
 * Removes content no image of the store needs. Throws `STORE_DAMAGED` (failed) and removes nothing as long as a damaged
 * entry hides what it needs.
 */
export async function pruneStore(
  deps: { readonly store: Pick<ImageStore, "prune">; readonly signal?: AbortSignal },
  request: PruneRequest,
): Promise<PruneStoreResult> {
  const { removed, unfinished, bytes, young, skipped } = await deps.store.prune(request, deps.signal);
  if (skipped !== undefined) {
    throw new WasmeError("failed", "STORE_DAMAGED", `nothing was removed: ${skipped}`, {
      hint: "pull or build that image again, or remove it with wasme rm; wasme store verify shows all damage",
    });
  }
  return { dryRun: request.dryRun, removed, unfinishedFiles: unfinished, freedBytes: bytes, young };
}
