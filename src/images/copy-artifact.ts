import { bytesSource, type Fetcher, type Pusher } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import { WasmeError } from "../domain/errors.ts";
import { parseManifest, referencedBy } from "../domain/manifest.ts";
import { isNonDistributable, MANIFEST_ACCEPT } from "../domain/media-types.ts";
import { copyContent } from "./copy-content.ts";
import type { RemoteRepository } from "./remote.ts";

/** What to copy, and the name it gets. */
export interface CopyArtifactRequest {
  /** Tag or digest in the repository it is copied from. */
  readonly source: string;
  /** Tag or digest in the repository it is copied to. */
  readonly target: string;
  readonly signal?: AbortSignal;
}

/**
 * Copies an artifact from one repository to another, of whatever kind it is: byte for byte, with everything it points
 * to, an index with all its children, each digest once, the manifest last. Blobs the target has are left alone, and
 * mounted where it was opened with `mountFrom`. Throws `IMAGE_NOT_FOUND` (not-found), `INDEX_TOO_DEEP` (incompatible),
 * and errors of the two registries.
 */
export async function copyArtifact(
  from: Fetcher & Pick<RemoteRepository, "fetchManifest">,
  to: Pusher & Pick<RemoteRepository, "pushManifest">,
  { source, target, signal }: CopyArtifactRequest,
): Promise<Descriptor> {
  const copied = new Set<string>();
  const copyManifest = async (name: string, as: string | undefined, depth: number): Promise<Descriptor> => {
    if (depth > MAX_DEPTH) throw tooDeep(source);
    const found = await from.fetchManifest(name, signal);
    if (found === undefined) throw missing(name);
    const { descriptor, bytes } = found;
    const parsed = parseManifest(bytes, descriptor.mediaType);
    const content = referencedBy(parsed).filter(({ mediaType }) => !isNonDistributable(mediaType));
    const isManifest = ({ mediaType }: Descriptor): boolean => MANIFEST_ACCEPT.includes(mediaType);
    for (const { digest } of parsed.kind === "index" ? content.filter(isManifest) : []) {
      if (!copied.has(digest)) await copyManifest(digest, undefined, depth + 1);
    }
    const blobs = parsed.kind === "index" ? content.filter((each) => !isManifest(each)) : content;
    await copyContent(from, to, blobs, signal);
    if (as === undefined) await to.push(descriptor, bytesSource(bytes), signal);
    else await to.pushManifest(as, bytes, parsed.mediaType, signal);
    copied.add(descriptor.digest);
    return descriptor;
  };
  return await copyManifest(source, target, 0);
}

function missing(name: string): Error {
  return new WasmeError("not-found", "IMAGE_NOT_FOUND", `the registry has no manifest ${name}`, {
    hint: "check name and tag; a private repository may need credentials",
  });
}

function tooDeep(source: string): Error {
  const message = `${source} is an index of indexes, more than ${MAX_DEPTH} deep`;
  return new WasmeError("incompatible", "INDEX_TOO_DEEP", message, { hint: "copy one of its images instead" });
}

/** Real indexes hold images; some hold one more level. */
const MAX_DEPTH = 4;
