import type { Descriptor } from "./descriptor.ts";
import { digestParts } from "./digest.ts";
import type { OciManifest } from "./manifest.ts";
import { MediaType } from "./media-types.ts";
import { isTarGzip } from "./wasm-layout.ts";

/** Where a blob lies in an OCI image layout, as a folder or an archive (OCI image spec, image-layout.md). */
export function layoutPathOf({ digest }: Pick<Descriptor, "digest">): string {
  const { algorithm, hex } = digestParts(digest);
  return `blobs/${algorithm}/${hex}`;
}

/**
 * What Docker's own `manifest.json` says of an image in an archive; `undefined` for an artifact, which Docker would not
 * load: it takes ordinary images with tar layers only.
 */
export function dockerArchiveEntry(manifest: OciManifest, references: readonly string[]): object | undefined {
  const { config, layers } = manifest;
  const isImage = config.mediaType === MediaType.ociConfig || config.mediaType === MediaType.dockerConfig;
  if (!isImage || layers.length === 0 || !layers.every(isTarGzip)) return undefined;
  return { Config: layoutPathOf(config), RepoTags: references, Layers: layers.map(layoutPathOf) };
}
