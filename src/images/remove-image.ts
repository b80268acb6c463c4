import type { Digest } from "../domain/digest.ts";
import { usageError, WasmeError } from "../domain/errors.ts";
import {
  formatReference,
  type ImageReference,
  parseImageReference,
  repositoryName,
} from "../domain/image-reference.ts";
import type { ImageStore, StoreEntry } from "../store/image-store.ts";

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
  const entries = await deps.store.entries();
  const found = new Map(
    request.references.flatMap((text) => find(entries, text).map((each) => [each.reference, each])),
  );
  const removed: { reference: string; manifestDigest: Digest | undefined }[] = [];
  for (const entry of found.values()) {
    // Somebody else may have removed it meanwhile: then it is gone as asked for.
    await deps.store.untag(entry.reference, deps.signal);
    removed.push({ reference: entry.reference, manifestDigest: entry.descriptor?.digest });
  }
  const { bytes } = await deps.store.prune(undefined, deps.signal);
  return { removed, freedBytes: bytes };
}

/** The entries a typed name means: as it stands there, in full form, or every name of the repository with the digest. */
function find(entries: readonly StoreEntry[], text: string): readonly StoreEntry[] {
  const literal = entries.filter((entry) => entry.reference === text && text !== "");
  if (literal.length > 0) return literal;
  const reference = parseImageReference(text);
  const name = formatReference(reference);
  const exact = entries.filter((entry) => entry.reference === name);
  const matches = exact.length > 0 ? exact : entries.filter((entry) => hasDigest(entry, reference));
  if (matches.length > 0) return matches;
  throw new WasmeError("not-found", "IMAGE_NOT_FOUND", `no image ${name} in the local store`, {
    hint: 'see "wasme list"',
  });
}

function hasDigest(entry: StoreEntry, reference: ImageReference): boolean {
  if (reference.digest === undefined || reference.tag !== undefined) return false;
  if (entry.descriptor?.digest !== reference.digest) return false;
  return (
    entry.reference.startsWith(`${repositoryName(reference)}:`) ||
    entry.reference.startsWith(`${repositoryName(reference)}@`)
  );
}
