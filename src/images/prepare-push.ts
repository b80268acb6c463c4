import { join } from "node:path";
import { type BodySource, bytesSource, type Fetcher } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import type { EventSink } from "../domain/events.ts";
import { referencedBy } from "../domain/manifest.ts";
import { isNonDistributable } from "../domain/media-types.ts";
import type { ImageFormat } from "../domain/resolved-image.ts";
import { formatRuntimeConfig } from "../domain/runtime-config.ts";
import { type PackedImage, type PackFormat, packCncf, packOci } from "../domain/wasm-image.ts";
import { isInFormat } from "../domain/wasm-layout.ts";
import type { ImageStore } from "../store/image-store.ts";
import { type ImageContents, openModule } from "./read-image.ts";
import type { StoredImage } from "./stored-image.ts";

/** An image in the form it is to be pushed or stored in. */
export interface PushableImage {
  readonly manifest: Descriptor;
  readonly bytes: Uint8Array;
  readonly format: ImageFormat;
  /** False when it was made here: then its digest is another than the stored image's. */
  readonly asStored: boolean;
  readonly blobs: readonly Descriptor[];
  /** Reads the blobs: from the store, or made on the way. */
  readonly source: Fetcher;
  /** To be called when its blobs will not be read any more. */
  release(): Promise<void>;
}

/** Which form it is to have. */
export interface PrepareOptions {
  /** `undefined` leaves the image as it is. */
  readonly format: PackFormat | undefined;
  /** The time to write where the format has a place for one. */
  readonly created?: Date | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly events?: EventSink;
}

type SourceStore = Pick<ImageStore, "fetch" | "dir">;

/**
 * Puts a stored image into a format; one that is in its very shape already stays byte for byte as it is. Converting
 * needs no memory for the module; `compat` is compressed here, since its digest must be known.
 */
export async function preparePush(
  store: SourceStore,
  image: StoredImage,
  contents: ImageContents,
  options: PrepareOptions,
): Promise<PushableImage> {
  const { format } = options;
  if (format === undefined || isInFormat(image.manifest, format)) return asStored(store, image, contents);
  const extras = { created: options.created, annotations: image.manifest.annotations };
  tellLeftOut(image, contents, options.events);
  const module = moduleBody(store, image, contents);
  if (format === "oci") return made(packOci(contents.module, contents.runtimeConfig ?? {}, extras), format, module);
  if (format === "cncf") return made(packCncf(contents.module, contents.runtimeConfig, extras), format, module);
  const runtimeConfig = contents.runtimeConfig === undefined ? undefined : formatRuntimeConfig(contents.runtimeConfig);
  const { packCompatImage } = await import("./pack-compat.ts");
  const packed = await watched(options.events, module.size, (onProgress) => {
    // Beside the blobs: there is room for images, and a clean-up of the store looks there for what was left behind.
    const where = { scratchDir: join(store.dir, "ingest"), signal: options.signal, onProgress };
    return packCompatImage({ module, runtimeConfig, ...extras }, where);
  });
  return { ...made(packed, format, packed.layerBody), release: () => packed.release() };
}

/** The formats hold a module and its runtime config: whatever else the image had is not in what is made of it. */
function tellLeftOut({ name, manifest }: StoredImage, { layout }: ImageContents, events: EventSink | undefined): void {
  const kept: ReadonlySet<string | undefined> = new Set([layout.module.digest, layout.runtimeConfig?.digest]);
  const types = new Set(manifest.layers.filter(({ digest }) => !kept.has(digest)).map(({ mediaType }) => mediaType));
  if (types.size === 0) return;
  const message = `${name} has more than a module and its runtime config: left out are layers of type ${[...types].join(", ")}`;
  events?.({ type: "warning", message });
}

/** Compressing a large module takes seconds: that is shown. */
async function watched<T>(
  events: EventSink | undefined,
  size: number,
  work: (tell: (done: number) => void) => Promise<T>,
): Promise<T> {
  if (events === undefined || size < WATCHED_SIZE) return await work(() => undefined);
  const { progressTask } = await import("./progress-task.ts");
  const task = progressTask(events, "compress", "Compressing the module");
  let ok = false;
  try {
    const result = await work((done) => task.tell(Math.min(done, size), size));
    ok = true;
    return result;
  } finally {
    task.end(ok);
  }
}

/** Bytes. */
const WATCHED_SIZE = 16 * 1024 * 1024;

function asStored(store: SourceStore, image: StoredImage, contents: ImageContents): PushableImage {
  const { descriptor, manifest, bytes } = image;
  const { mediaType, digest, size } = descriptor;
  const all = referencedBy({ kind: "image", mediaType, manifest, bytes });
  const blobs = all.filter((blob) => !isNonDistributable(blob.mediaType));
  return {
    manifest: { mediaType, digest, size },
    bytes,
    format: contents.layout.format,
    asStored: true,
    blobs,
    source: store,
    release: nothing,
  };
}

function made({ manifest, bytes, config, layer }: PackedImage, format: PackFormat, body: BodySource): PushableImage {
  const bodies = new Map([
    [config.descriptor.digest, bytesSource(config.bytes)],
    [layer.digest, body],
  ]);
  const source: Fetcher = {
    fetch: (descriptor) => {
      const found = bodies.get(descriptor.digest);
      if (found === undefined) throw new Error(`${descriptor.digest} is not part of the image that was made`);
      return found.open();
    },
  };
  return { manifest, bytes, format, asStored: false, blobs: [config.descriptor, layer], source, release: nothing };
}

/** The wasm bytes, read anew each time. */
function moduleBody(store: SourceStore, image: StoredImage, contents: ImageContents): BodySource {
  const open = (): AsyncIterable<Uint8Array> => openModule(store, contents.layout, { where: image.name });
  return { size: contents.module.size, open };
}

const nothing = async (): Promise<void> => undefined;
