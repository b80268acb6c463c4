import { type BodySource, bytesSource, type Fetcher } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import { referencedBy } from "../domain/manifest.ts";
import type { ImageFormat } from "../domain/resolved-image.ts";
import { formatRuntimeConfig } from "../domain/runtime-config.ts";
import { packOci } from "../domain/wasm-image.ts";
import type { ImageStore } from "../store/image-store.ts";
import { type ImageContents, openModule } from "./read-image.ts";
import type { StoredImage } from "./stored-image.ts";

/** An image in the form it is to be pushed in. */
export interface PushableImage {
  readonly manifest: Descriptor;
  readonly bytes: Uint8Array;
  readonly format: ImageFormat;
  readonly blobs: readonly Descriptor[];
  /** Reads the blobs: from the store, or made on the way. */
  readonly source: Fetcher;
}

/**
 * Puts a stored image into a format; `undefined` and its own format leave it byte for byte as it is. Converting needs
 * no room on disk and no memory for the module; `compat` compresses it here to learn the digest.
 */
export async function preparePush(
  store: Pick<ImageStore, "fetch">,
  image: StoredImage,
  contents: ImageContents,
  options: { readonly format: "oci" | "compat" | undefined; readonly signal?: AbortSignal | undefined },
): Promise<PushableImage> {
  const { format, signal } = options;
  if (format === undefined || format === contents.layout.format) return asStored(store, image, contents.layout.format);
  const module = moduleBody(store, image, contents);
  if (format === "oci") {
    const packed = packOci(contents.module, contents.runtimeConfig ?? {});
    const made = new Map([
      [packed.config.descriptor.digest, bytesSource(packed.config.bytes)],
      [packed.layer.digest, module],
    ]);
    return { ...packed, format, blobs: [packed.config.descriptor, packed.layer], source: fetcherOf(made) };
  }
  const config = contents.runtimeConfig === undefined ? undefined : formatRuntimeConfig(contents.runtimeConfig);
  const { packCompatImage } = await import("./pack-compat.ts");
  const packed = await packCompatImage({ module, runtimeConfig: config }, signal);
  const made = new Map([
    [packed.config.descriptor.digest, bytesSource(packed.config.bytes)],
    [packed.layer.digest, packed.layerBody],
  ]);
  return { ...packed, format, blobs: [packed.config.descriptor, packed.layer], source: fetcherOf(made) };
}

function asStored(store: Pick<ImageStore, "fetch">, image: StoredImage, format: ImageFormat): PushableImage {
  const { descriptor, manifest, bytes } = image;
  const { mediaType, digest, size } = descriptor;
  const blobs = referencedBy({ kind: "image", mediaType, manifest, bytes });
  return { manifest: { mediaType, digest, size }, bytes, format, blobs, source: store };
}

/** The wasm bytes, read anew each time. */
function moduleBody(store: Pick<ImageStore, "fetch">, image: StoredImage, contents: ImageContents): BodySource {
  const open = (): AsyncIterable<Uint8Array> => openModule(store, contents.layout, { where: image.name });
  return { size: contents.module.size, open };
}

function fetcherOf(bodies: ReadonlyMap<string, BodySource>): Fetcher {
  return {
    fetch: (descriptor) => {
      const body = bodies.get(descriptor.digest);
      if (body === undefined) throw new Error(`${descriptor.digest} is not part of the image that is pushed`);
      return body.open();
    },
  };
}
