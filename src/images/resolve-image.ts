import type { Fetcher } from "../domain/content.ts";
import type { Digest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { formatReference, type ImageReference, referenceTarget } from "../domain/image-reference.ts";
import { proxyRefusal } from "../domain/layout-consumers.ts";
import type { OciManifest } from "../domain/manifest.ts";
import type { ImageSource, ResolvedImage } from "../domain/resolved-image.ts";
import type { ImageStore } from "../store/image-store.ts";
import { pluginInLast } from "./plugin-in-last.ts";
import { findLayout, type ImageContents, readImage, type ReadOptions } from "./read-image.ts";
import { schemaText } from "./read-schema.ts";
import { fetchImage, type Remote } from "./remote.ts";
import { findStoredImage } from "./stored-image.ts";

/** Where to look a reference up. */
export interface ResolveRequest {
  readonly reference: ImageReference;
  readonly from: ImageSource;
  /** Is given the module if that is small enough: who needs it next need not ask for it again. */
  readonly keep?: ModuleKeeper | undefined;
}

/** Takes modules of up to `most` bytes. */
export interface ModuleKeeper {
  readonly most: number;
  readonly take: (module: Uint8Array, digest: Digest) => void;
}

/**
 * Finds out what a reference means right now, so that its digests can be pinned, and reads its runtime config. From a
 * registry only the manifest, the config and the first bytes of the module are fetched; a packed module is read whole, and
 * one that is to be kept.
 * Throws `IMAGE_NOT_FOUND` or the registry's own error, and those of {@link readImage}.
 */
export async function resolveImage(
  deps: {
    readonly store: Pick<ImageStore, "resolve" | "entries" | "manifest" | "fetch">;
    readonly registry: Remote;
    /** The same registries for who has no credentials: asked where ours were needed, as proxies have none. */
    readonly stranger?: Remote;
    readonly signal?: AbortSignal;
  },
  request: ResolveRequest,
): Promise<ResolvedImage> {
  const { reference, from, keep } = request;
  const { store, registry, signal } = deps;
  const repository = from === "registry" ? registry.repository(reference) : undefined;
  const source = repository ?? store;
  const remote = repository === undefined ? undefined : await fetchImage(repository, reference, signal);
  const image = remote ?? (await findStoredImage(store, reference));
  const where = formatReference(reference);
  const contents = await readKeeping(source, image.manifest, { where, signal }, keep);
  const { packing } = contents.layout;
  const refusal = proxyRefusal({
    manifest: image.manifest,
    mediaType: image.descriptor.mediaType,
    moduleSize: contents.module.size,
    ...(await pluginInLast(source, image.manifest, { packing, where, signal })),
    index: remote?.index,
  });
  const schema = schemaText(image.manifest);
  const isPrivate = from === "registry" && (await isKeptFromStrangers(deps, reference));
  return {
    reference,
    source: from,
    format: contents.layout.format,
    manifestDigest: image.descriptor.digest,
    moduleDigest: contents.module.digest,
    moduleSize: contents.module.size,
    runtimeConfig: contents.runtimeConfig,
    ...(schema === undefined ? {} : { configSchema: schema }),
    ...(isPrivate ? { isPrivate } : {}),
    ...(refusal === undefined ? {} : { proxyRefusal: refusal }),
  };
}

/** Many registries ask everybody who they are, for images that anybody may read too. */
async function isKeptFromStrangers(
  { registry, stranger, signal }: Pick<Parameters<typeof resolveImage>[0], "registry" | "stranger" | "signal">,
  reference: ImageReference,
): Promise<boolean> {
  if (stranger === undefined || registry.handedOver?.(reference) !== true) return false;
  try {
    return (await stranger.repository(reference).resolve(referenceTarget(reference), signal)) === undefined;
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof WasmeError)) throw error;
    // Whoever was busy or away just now has said nothing about it.
    return error.kind === "unauthorised" || error.code === "TOKEN_REFUSED";
  }
}

/** Reads an image, and gives its module away when that was small enough to be held. */
async function readKeeping(
  source: Fetcher,
  manifest: OciManifest,
  options: ReadOptions,
  keep: ModuleKeeper | undefined,
): Promise<ImageContents> {
  if (keep === undefined || findLayout(manifest, options.where).module.size > keep.most) {
    return await readImage(source, manifest, options);
  }
  const pieces: Uint8Array[] = [];
  const onModule = (piece: Uint8Array): void => void pieces.push(piece);
  const contents = await readImage(source, manifest, { ...options, onModule: upTo(keep.most, onModule) });
  if (contents.module.size <= keep.most) keep.take(Buffer.concat(pieces), contents.module.digest);
  return contents;
}

/** A packed module may be larger than its layer: no more of it is held. */
function upTo(most: number, take: (piece: Uint8Array) => void): (piece: Uint8Array) => void {
  let size = 0;
  return (piece) => {
    size += piece.byteLength;
    if (size <= most) take(piece);
  };
}
