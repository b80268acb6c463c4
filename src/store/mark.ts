import type { Descriptor } from "../domain/descriptor.ts";
import type { Digest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { type ParsedManifest, referencedBy } from "../domain/manifest.ts";
import { isIndexType, MediaType } from "../domain/media-types.ts";
import type { IndexEntry } from "./index-file.ts";

/** What the names of a store reach. */
export interface Reachable {
  readonly reached: ReadonlySet<Digest>;
  /** What hinders knowing it all: a damaged entry. Then anything in the store might be in use. */
  readonly fault: string | undefined;
}

/** Follows every entry to its manifests, their content and their subjects. */
export async function markReachable(
  entries: readonly IndexEntry[],
  readManifest: (descriptor: Descriptor) => Promise<ParsedManifest>,
): Promise<Reachable> {
  const reached = new Set<Digest>();
  for (const entry of entries) {
    const fault = await mark(entry, reached, readManifest);
    if (fault !== undefined) return { reached, fault };
  }
  return { reached, fault: undefined };
}

/** Adds all that an entry reaches; the answer is what hinders that. */
async function mark(
  entry: IndexEntry,
  reached: Set<Digest>,
  readManifest: (descriptor: Descriptor) => Promise<ParsedManifest>,
): Promise<string | undefined> {
  if (entry.descriptor === undefined) return `${nameOf(entry)} is damaged`;
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
        return `${nameOf(entry)} is damaged: ${error.message}`;
    }
  }
  return undefined;
}

/** True for a manifest or index that may point to more. */
export function isManifestType(mediaType: string): boolean {
  return isIndexType(mediaType) || mediaType === MediaType.ociManifest || mediaType === MediaType.dockerManifest;
}

function nameOf({ reference }: IndexEntry): string {
  return reference === "" ? "an entry of index.json without a name" : reference;
}
