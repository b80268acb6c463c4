import type { Fetcher } from "../domain/content.ts";
import type { Digest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { formatReference, type ImageReference } from "../domain/image-reference.ts";
import type { JsonObject } from "../domain/json.ts";
import { type ConsumerVerdict, consumersOf } from "../domain/layout-consumers.ts";
import type { OciManifest } from "../domain/manifest.ts";
import type { ImageFormat, ImageSource } from "../domain/resolved-image.ts";
import type { RuntimeConfig } from "../domain/runtime-config.ts";
import type { ImageStore } from "../store/image-store.ts";
import { checkModule, MAX_MODULE } from "../wasm/check-module.ts";
import type { ModuleReport } from "../wasm/module-report.ts";
import { pluginInLast } from "./plugin-in-last.ts";
import { findLayout, type ImageContents, readImage, type ReadOptions } from "./read-image.ts";
import { fetchImage, type Remote, type RemoteRepository } from "./remote.ts";
import { findStoredImage } from "./stored-image.ts";

/** Which image to look into, and where. */
export interface InspectRequest {
  readonly reference: ImageReference;
  readonly from: ImageSource;
}

/** Everything an image tells about itself. JSON-safe. */
export interface InspectResult {
  readonly reference: string;
  readonly source: ImageSource;
  readonly format: ImageFormat;
  readonly manifestDigest: Digest;
  readonly mediaType: string;
  /** The manifest as it stands. */
  readonly manifest: JsonObject;
  readonly moduleDigest: Digest;
  /** Bytes of the module. */
  readonly moduleSize: number;
  /** Absent when the image carries none. */
  readonly runtimeConfig?: RuntimeConfig;
  /** What the module is made of, what it may do, and whether a proxy loads it. */
  readonly module: ModuleReport;
  /** Which programs can read this layout. */
  readonly consumers: readonly ConsumerVerdict[];
  /** What the registry has attached to the manifest; absent in the store, and where the registry does not tell. */
  readonly attached?: readonly AttachedArtifact[];
}

/** A signature, software bill or other manifest that is about an image. */
export interface AttachedArtifact {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly artifactType?: string;
  /** Bytes of its manifest. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Looks into an image of the store or a registry: reads it whole, verified. The module is held in memory for it.
 * Throws `IMAGE_NOT_FOUND`, `MODULE_TOO_LARGE` (incompatible) above 256 MiB, and errors of store, registry and layout.
 */
export async function inspectImage(
  deps: {
    readonly store: Pick<ImageStore, "resolve" | "entries" | "manifest" | "fetch">;
    readonly registry: Remote;
    readonly signal?: AbortSignal;
  },
  request: InspectRequest,
): Promise<InspectResult> {
  const { reference, from } = request;
  const { signal } = deps;
  const where = formatReference(reference);
  const repository = from === "registry" ? deps.registry.repository(reference) : undefined;
  const source: Fetcher = repository ?? deps.store;
  const remote = repository === undefined ? undefined : await fetchImage(repository, reference, signal);
  const image = remote ?? (await findStoredImage(deps.store, reference));
  const { contents, bytes } = await readWhole(source, image.manifest, { where, signal });
  const { digest, mediaType } = image.descriptor;
  return {
    reference: where,
    source: from,
    format: contents.layout.format,
    manifestDigest: digest,
    mediaType,
    manifest: JSON.parse(new TextDecoder().decode(image.bytes)) as JsonObject,
    moduleDigest: contents.module.digest,
    moduleSize: contents.module.size,
    ...(contents.runtimeConfig === undefined ? {} : { runtimeConfig: contents.runtimeConfig }),
    module: checkModule(bytes),
    consumers: consumersOf({
      manifest: image.manifest,
      mediaType,
      moduleSize: contents.module.size,
      ...(await pluginInLast(source, image.manifest, { packing: contents.layout.packing, where, signal })),
      index: remote?.index,
    }),
    ...(repository === undefined ? {} : await attachedTo(repository, digest, signal)),
  };
}

/** The image and its module, read once. */
async function readWhole(
  source: Fetcher,
  manifest: OciManifest,
  options: ReadOptions,
): Promise<{ readonly contents: ImageContents; readonly bytes: Uint8Array }> {
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
  return { contents, bytes: Buffer.concat(pieces, size) };
}

/** Many registries cannot tell, or not to everybody: that is no reason not to show the image. */
async function attachedTo(
  repository: RemoteRepository,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<Pick<InspectResult, "attached">> {
  try {
    const found = await repository.referrers?.(digest, signal === undefined ? {} : { signal });
    if (found === undefined) return {};
    const attached = found.map(({ mediaType, artifactType, size, annotations, ...each }) => ({
      digest: each.digest,
      mediaType,
      ...(artifactType === undefined ? {} : { artifactType }),
      size,
      ...(annotations === undefined ? {} : { annotations }),
    }));
    return { attached };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof WasmeError) return {};
    throw error;
  }
}

function tooLarge(where: string): Error {
  const message = `the module of ${where} is larger than ${MAX_MODULE} bytes`;
  return new WasmeError("incompatible", "MODULE_TOO_LARGE", message, {
    hint: "no proxy loads it: strip it and optimise for size",
  });
}
