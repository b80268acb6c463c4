import { collect } from "../domain/content.ts";
import { WasmeError } from "../domain/errors.ts";
import { withDigest } from "../domain/image-reference.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import type { ImageStore } from "../store/image-store.ts";
import { readWholeImage, type WholeImageDeps } from "./whole-image.ts";

/**
 * The wasm bytes of an image that was resolved, verified: from the store when it happens to have them, whatever their
 * name, so that nothing is fetched twice. Throws as {@link readWholeImage} does.
 */
export async function readModule(
  deps: WholeImageDeps & { readonly store: Pick<ImageStore, "exists"> },
  image: ResolvedImage,
): Promise<Uint8Array> {
  const stored = await storedModule(deps, image);
  if (stored !== undefined) return stored;
  const reference = withDigest(image.reference, image.manifestDigest);
  return (await readWholeImage(deps, { reference, from: image.source })).module;
}

async function storedModule(
  { store, signal }: Parameters<typeof readModule>[0],
  { moduleDigest: digest, moduleSize: size }: ResolvedImage,
): Promise<Uint8Array | undefined> {
  const blob = { mediaType: "application/wasm", digest, size };
  if (!(await store.exists(blob))) return undefined;
  try {
    const tooLong = (): Error => new WasmeError("failed", "BLOB_DAMAGED", `${digest} is longer than ${size} bytes`);
    return await collect(store.fetch(blob, signal), size, tooLong);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof WasmeError) return undefined; // altered: what it was resolved from has it
    throw error;
  }
}
