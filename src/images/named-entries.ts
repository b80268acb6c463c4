import { WasmeError } from "../domain/errors.ts";
import {
  formatReference,
  type ImageReference,
  parseImageReference,
  repositoryName,
} from "../domain/image-reference.ts";
import type { StoreEntry } from "../store/image-store.ts";

/**
 * The entries of the store that typed names mean, each once: a name as it stands there (a damaged one may have a name
 * that is no reference), else its full form, else every name of the repository with the digest. All are parsed before
 * any is looked up, so that a typing mistake is told before a missing image.
 * Throws `REFERENCE_INVALID` (usage) and `IMAGE_NOT_FOUND` (not found).
 */
export function namedEntries(entries: readonly StoreEntry[], typed: readonly string[]): readonly StoreEntry[] {
  const wanted = typed.map((text) => {
    const literal = entries.filter((entry) => entry.reference === text && text !== "");
    return literal.length > 0 ? literal : parseImageReference(text);
  });
  const found = wanted.flatMap((each) => ("length" in each ? each : find(entries, each)));
  return [...new Map(found.map((entry) => [entry.reference, entry])).values()];
}

function find(entries: readonly StoreEntry[], wanted: ImageReference): readonly StoreEntry[] {
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
  const name = repositoryName(reference);
  return entry.reference.startsWith(`${name}:`) || entry.reference.startsWith(`${name}@`);
}
