import type { Digest } from "../domain/digest.ts";
import { usageError } from "../domain/errors.ts";
import type { ImageStore } from "../store/image-store.ts";
import { namedEntries } from "./named-entries.ts";

/** Names to remove, as the user typed them. */
export interface RemoveRequest {
  readonly references: readonly string[];
}

/** What was removed. */
export interface RemoveResult {
  readonly removed: readonly { readonly reference: string; readonly manifestDigest: Digest | undefined }[];
  /** Bytes freed: of content no name reaches any more, once it is old enough (`store/prune.ts`). */
  readonly freedBytes: number;
}

/**
 * Removes names, damaged ones too, then content that nothing needs any more. All names are looked up first: an unknown
 * one is `IMAGE_NOT_FOUND` and nothing is removed.
 */
export async function removeImages(
  deps: { readonly store: Pick<ImageStore, "entries" | "untag" | "prune">; readonly signal?: AbortSignal },
  request: RemoveRequest,
): Promise<RemoveResult> {
  if (request.references.length === 0) throw usageError("REFERENCE_MISSING", "no image named");
  const found = namedEntries(await deps.store.entries(), request.references);
  const removed: { reference: string; manifestDigest: Digest | undefined }[] = [];
  for (const entry of found) {
    // Somebody else may have removed it meanwhile: then it is gone as asked for.
    await deps.store.untag(entry.reference, deps.signal);
    removed.push({ reference: entry.reference, manifestDigest: entry.descriptor?.digest });
  }
  const { bytes } = await deps.store.prune(undefined, deps.signal);
  return { removed, freedBytes: bytes };
}
