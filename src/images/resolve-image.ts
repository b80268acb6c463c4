import { formatReference, type ImageReference } from "../domain/image-reference.ts";
import { proxyRefusal } from "../domain/layout-consumers.ts";
import type { ImageSource, ResolvedImage } from "../domain/resolved-image.ts";
import type { ImageStore } from "../store/image-store.ts";
import { pluginInLast } from "./plugin-in-last.ts";
import { readImage } from "./read-image.ts";
import { schemaText } from "./read-schema.ts";
import { fetchImage, type Remote } from "./remote.ts";
import { findStoredImage } from "./stored-image.ts";

/** Where to look a reference up. */
export interface ResolveRequest {
  readonly reference: ImageReference;
  readonly from: ImageSource;
}

/**
 * Finds out what a reference means right now, so that its digests can be pinned, and reads its runtime config. From a
 * registry only the manifest, the config and the first bytes of the module are fetched; a packed module is read whole.
 * Throws `IMAGE_NOT_FOUND` or the registry's own error, and those of {@link readImage}.
 */
export async function resolveImage(
  deps: {
    readonly store: Pick<ImageStore, "resolve" | "entries" | "manifest" | "fetch">;
    readonly registry: Remote;
    readonly signal?: AbortSignal;
  },
  request: ResolveRequest,
): Promise<ResolvedImage> {
  const { reference, from } = request;
  const { store, registry, signal } = deps;
  const repository = from === "registry" ? registry.repository(reference) : undefined;
  const source = repository ?? store;
  const remote = repository === undefined ? undefined : await fetchImage(repository, reference, signal);
  const image = remote ?? (await findStoredImage(store, reference));
  const where = formatReference(reference);
  const contents = await readImage(source, image.manifest, { where, signal });
  const { packing } = contents.layout;
  const refusal = proxyRefusal({
    manifest: image.manifest,
    mediaType: image.descriptor.mediaType,
    moduleSize: contents.module.size,
    ...(await pluginInLast(source, image.manifest, { packing, where, signal })),
    index: remote?.index,
  });
  const schema = schemaText(image.manifest);
  return {
    reference,
    source: from,
    format: contents.layout.format,
    manifestDigest: image.descriptor.digest,
    moduleDigest: contents.module.digest,
    moduleSize: contents.module.size,
    runtimeConfig: contents.runtimeConfig,
    ...(schema === undefined ? {} : { configSchema: schema }),
    ...(refusal === undefined ? {} : { proxyRefusal: refusal }),
  };
}
