import type { Fetcher } from "../domain/content.ts";
import { WasmeError } from "../domain/errors.ts";
import { formatReference, type ImageReference } from "../domain/image-reference.ts";
import { type ConsumerVerdict, consumersOf } from "../domain/layout-consumers.ts";
import type { OciManifest } from "../domain/manifest.ts";
import type { ImageSource } from "../domain/resolved-image.ts";
import type { ImageStore } from "../store/image-store.ts";
import { MAX_MODULE } from "../wasm/check-module.ts";
import { pluginInLast } from "./plugin-in-last.ts";
import { findLayout, type ImageContents, readImage, type ReadOptions } from "./read-image.ts";
import { fetchImage, type Remote, type RemoteRepository } from "./remote.ts";
import { findStoredImage, type StoredImage } from "./stored-image.ts";

/** Which image to read, and where. */
export interface WholeImageRequest {
  readonly reference: ImageReference;
  readonly from: ImageSource;
}

/** What reading it needs. */
export interface WholeImageDeps {
  readonly store: Pick<ImageStore, "resolve" | "entries" | "manifest" | "fetch">;
  readonly registry: Remote;
  readonly signal?: AbortSignal | undefined;
}

/** An image read whole, every byte verified. */
export interface WholeImage {
  /** The full reference. */
  readonly where: string;
  readonly image: Pick<StoredImage, "descriptor" | "manifest" | "bytes">;
  readonly contents: ImageContents;
  /** The wasm bytes. */
  readonly module: Uint8Array;
  /** Which programs can read this layout. */
  readonly consumers: readonly ConsumerVerdict[];
  /** Where it was read from; absent for the store. */
  readonly repository?: RemoteRepository;
}

/**
 * Reads an image of the store or a registry with its module, which is held in memory. Throws `IMAGE_NOT_FOUND`,
 * `MODULE_TOO_LARGE` (incompatible) above 256 MiB, and errors of store, registry and layout.
 */
export async function readWholeImage(deps: WholeImageDeps, request: WholeImageRequest): Promise<WholeImage> {
  const { reference, from } = request;
  const { signal } = deps;
  const where = formatReference(reference);
  const repository = from === "registry" ? deps.registry.repository(reference) : undefined;
  const source: Fetcher = repository ?? deps.store;
  const remote = repository === undefined ? undefined : await fetchImage(repository, reference, signal);
  const image = remote ?? (await findStoredImage(deps.store, reference));
  const { contents, module } = await readModuleOf(source, image.manifest, { where, signal });
  const consumers = consumersOf({
    manifest: image.manifest,
    mediaType: image.descriptor.mediaType,
    moduleSize: contents.module.size,
    ...(await pluginInLast(source, image.manifest, { packing: contents.layout.packing, where, signal })),
    index: remote?.index,
  });
  return { where, image, contents, module, consumers, ...(repository === undefined ? {} : { repository }) };
}

/** The image and its module, read once. */
async function readModuleOf(
  source: Fetcher,
  manifest: OciManifest,
  options: ReadOptions,
): Promise<Pick<WholeImage, "contents" | "module">> {
  const { where } = options;
  const { packing, module } = findLayout(manifest, where);
  if (packing === "raw" && module.size > MAX_MODULE) throw tooLarge(where);
  const pieces: Uint8Array[] = [];
  let size = 0;
  const onModule = (piece: Uint8Array): void => {
    size += piece.byteLength;
    if (size > MAX_MODULE) throw tooLarge(where);
    pieces.push(piece);
  };
  const contents = await readImage(source, manifest, { ...options, onModule });
  return { contents, module: Buffer.concat(pieces, size) };
}

function tooLarge(where: string): Error {
  const message = `the module of ${where} is larger than ${MAX_MODULE} bytes`;
  return new WasmeError("incompatible", "MODULE_TOO_LARGE", message, {
    hint: "no proxy loads it: strip it and optimise for size",
  });
}
