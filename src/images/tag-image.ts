import type { Digest } from "../domain/digest.ts";
import { usageError } from "../domain/errors.ts";
import { formatReference, type ImageReference } from "../domain/image-reference.ts";
import type { ImageStore } from "../store/image-store.ts";
import { findStoredImage, withoutRegistryNote } from "./stored-image.ts";

/** Gives the image `source` the name `target` too. */
export interface TagRequest {
  readonly source: ImageReference;
  readonly target: ImageReference;
}

/** What has which name now. */
export interface TagResult {
  readonly source: string;
  readonly target: string;
  readonly manifestDigest: Digest;
}

/**
 * Names a stored image; a name that was in use moves. Throws `IMAGE_NOT_FOUND`, and `TAG_TARGET_INVALID` (usage) for a
 * target with a digest: a digest is not given but computed.
 */
export async function tagImage(
  deps: { readonly store: Pick<ImageStore, "resolve" | "entries" | "manifest" | "tag">; readonly signal?: AbortSignal },
  request: TagRequest,
): Promise<TagResult> {
  requireTag(request.target);
  const image = await findStoredImage(deps.store, request.source);
  const target = formatReference(request.target);
  await deps.store.tag(target, withoutRegistryNote(image.descriptor), deps.signal);
  return { source: image.name, target, manifestDigest: image.descriptor.digest };
}

/** Refuses a name that is pinned to a digest where a new name is given. Throws `TAG_TARGET_INVALID` (usage). */
export function requireTag(target: ImageReference): void {
  if (target.digest === undefined) return;
  throw usageError("TAG_TARGET_INVALID", `${formatReference(target)} cannot name an image: it holds a digest`, {
    hint: "name it by a tag, such as registry.example.com/team/filter:v1",
  });
}
