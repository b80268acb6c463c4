import { bytesSource } from "../domain/content.ts";
import type { Digest } from "../domain/digest.ts";
import { type EventSink, ignoreEvents } from "../domain/events.ts";
import { formatReference, type ImageReference } from "../domain/image-reference.ts";
import { parseManifest } from "../domain/manifest.ts";
import type { ImageFormat } from "../domain/resolved-image.ts";
import type { PackFormat } from "../domain/wasm-image.ts";
import type { ImageStore } from "../store/image-store.ts";
import { copyContent } from "./copy-content.ts";
import { type PushableImage, preparePush } from "./prepare-push.ts";
import { readImage } from "./read-image.ts";
import { findStoredImage, moduleNotes, withoutRegistryNote } from "./stored-image.ts";
import { requireTag } from "./tag-image.ts";

/** Gives the image `source` the name `target` in another format. */
export interface ConvertRequest {
  readonly source: ImageReference;
  readonly target: ImageReference;
  readonly format: PackFormat;
  /** The time to write where the format has a place for one (`SOURCE_DATE_EPOCH`). */
  readonly created?: Date | undefined;
}

/** What has which name now. */
export interface ConvertResult {
  /** The name the source was found under. */
  readonly source: string;
  readonly target: string;
  readonly sourceFormat: ImageFormat;
  readonly format: ImageFormat;
  readonly sourceManifestDigest: Digest;
  /** Digest of the image under the new name. */
  readonly manifestDigest: Digest;
  /** The same for both. */
  readonly moduleDigest: Digest;
  /** Bytes of the module. */
  readonly moduleSize: number;
  /** True when the source is in that format already: it only got another name. */
  readonly unchanged: boolean;
}

/** What converting needs. */
export interface ConvertDeps {
  readonly store: Pick<ImageStore, "dir" | "resolve" | "entries" | "manifest" | "fetch" | "push" | "tag">;
  readonly signal?: AbortSignal;
}

/**
 * Rewrites a stored image of any readable layout in a format wasme writes, under another name; the module stays what it
 * is, byte for byte, and the source what it was. Nothing is named before the module was read back out of the new image.
 * Throws `IMAGE_NOT_FOUND`, `TAG_TARGET_INVALID` (usage), errors of the layout and of the disk.
 */
export async function convertImage(
  deps: ConvertDeps,
  request: ConvertRequest,
  events: EventSink = ignoreEvents,
): Promise<ConvertResult> {
  requireTag(request.target);
  const { store, signal } = deps;
  const image = await findStoredImage(store, request.source);
  const contents = await readImage(store, image.manifest, { where: image.name, signal });
  const target = formatReference(request.target);
  const { format, created } = request;
  const prepared = await preparePush(store, image, contents, { format, created, signal, events });
  try {
    if (prepared.asStored) {
      await store.tag(target, withoutRegistryNote(image.descriptor), signal);
    } else {
      await keep(deps, prepared, { moduleDigest: contents.module.digest, target });
      const named = { ...prepared.manifest, annotations: moduleNotes(contents) };
      await store.tag(target, named, signal);
    }
  } finally {
    await prepared.release();
  }
  return {
    source: image.name,
    target,
    sourceFormat: contents.layout.format,
    format: prepared.format,
    sourceManifestDigest: image.descriptor.digest,
    manifestDigest: prepared.manifest.digest,
    moduleDigest: contents.module.digest,
    moduleSize: contents.module.size,
    unchanged: prepared.asStored,
  };
}

/** Stores the blobs, then the manifest, and reads the module out of it again. */
async function keep(
  { store, signal }: ConvertDeps,
  prepared: PushableImage,
  expected: { readonly moduleDigest: Digest; readonly target: string },
): Promise<void> {
  const { manifest, bytes, blobs, source } = prepared;
  await copyContent(source, store, blobs, signal);
  await store.push(manifest, bytesSource(bytes), signal);
  const parsed = parseManifest(bytes, manifest.mediaType);
  if (parsed.kind !== "image") throw new Error("what was made is no image");
  const { module } = await readImage(store, parsed.manifest, { where: expected.target, signal });
  if (module.digest === expected.moduleDigest) return;
  // Anything else is a fault of the code above, not of what it was given.
  throw new Error(`converting changed the module: ${module.digest} instead of ${expected.moduleDigest}`);
}
