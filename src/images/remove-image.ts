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
  // All are parsed before any is looked up: a typing mistake is told before a missing image.
  const wanted = request.references.map((text) => {
    const literal = namedExactly(entries, text);
    return literal.length > 0 ? literal : parseImageReference(text);
  });
  const found = new Map(wanted.flatMap((each) => find(entries, each)).map((entry) => [entry.reference, entry]));
  const removed: { reference: string; manifestDigest: Digest | undefined }[] = [];
  for (const entry of found.values()) {
    // Somebody else may have removed it meanwhile: then it is gone as asked for.
    await deps.store.untag(entry.reference, deps.signal);
    removed.push({ reference: entry.reference, manifestDigest: entry.descriptor?.digest });
  }
  const { bytes } = await deps.store.prune(undefined, deps.signal);
  return { removed, freedBytes: bytes };
}

/** Entries named as it was typed: a damaged one may have a name that is no reference. */
function namedExactly(entries: readonly StoreEntry[], text: string): readonly StoreEntry[] {
  return entries.filter((entry) => entry.reference === text && text !== "");
}

/** The entries a typed name means: as it stands there, in full form, or every name of the repository with the digest. */
function find(entries: readonly StoreEntry[], wanted: readonly StoreEntry[] | ImageReference): readonly StoreEntry[] {
  if ("length" in wanted) return wanted;
  const name = formatReference(wanted);
  const exact = entries.filter((entry) => entry.reference === name);
  const matches = exact.length > 0 ? exact : entries.filter((entry) => hasDigest(entry, wanted));
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
