import type { Descriptor } from "./descriptor.ts";
import { WasmeError } from "./errors.ts";
import type { OciIndex, OciManifest } from "./manifest.ts";
import { bareMediaType, MediaType } from "./media-types.ts";
import type { ImageFormat } from "./resolved-image.ts";

/** Where an image keeps its module and runtime config. */
export interface WasmLayout {
  readonly format: ImageFormat;
  /** The blob that is the module (`raw`) or a gzipped tar with `plugin.wasm` in it (`tar+gzip`). */
  readonly module: Descriptor;
  readonly packing: "raw" | "tar+gzip";
  /** The runtime config's own blob; a `compat` image has it inside the tar, other formats have none. */
  readonly runtimeConfig: Descriptor | undefined;
  /** True when another reader might take another layer than we do: `hybrid` images hold the module twice. */
  readonly ambiguous: boolean;
}

/**
 * Finds the module of an image by the media types of its layers, in this order: the wasm OCI image spec's, the CNCF
 * artifact's, wasm-to-oci's, the component builder's, and last an ordinary image whose last layer is tar+gzip.
 * Throws `LAYOUT_UNKNOWN` (incompatible) when none fits.
 */
export function findModule(manifest: OciManifest, where: string): WasmLayout {
  const { layers, config } = manifest;
  const last = layers.at(-1);
  const packed = last !== undefined && TAR_GZIP.has(typeOf(last)) ? last : undefined;
  for (const { type, format } of RAW_MODULES) {
    const found = layers.filter((layer) => typeOf(layer) === type);
    const [module] = found;
    if (module === undefined) continue;
    if (found.length > 1)
      throw unknown(where, `it has ${found.length} layers of type ${type}, so it is not clear which one is meant`);
    const runtimeConfig = [config, ...layers].find((each) => typeOf(each) === MediaType.soloConfig);
    return { format, module, packing: "raw", runtimeConfig, ambiguous: packed !== undefined };
  }
  if (packed !== undefined) {
    return { format: "compat", module: packed, packing: "tar+gzip", runtimeConfig: undefined, ambiguous: false };
  }
  throw unknown(where, describeLayers(last));
}

/**
 * The child of an index that stands for the image. Istio takes the first one for linux/amd64, and counts one without
 * platform as that; so do we, so that what is checked here is what runs there. Throws `PLATFORM_MISSING`.
 */
export function chooseChild(index: OciIndex, where: string): Descriptor {
  const child = index.manifests.find(({ platform }) => {
    return platform === undefined || (platform.os === "linux" && platform.architecture === "amd64");
  });
  if (child !== undefined) return child;
  const seen = index.manifests.map(({ platform }) => `${platform?.os ?? "?"}/${platform?.architecture ?? "?"}`);
  throw new WasmeError("incompatible", "PLATFORM_MISSING", `${where} is an index without an image for linux/amd64`, {
    hint: `it has ${seen.join(", ") || "no image at all"}; proxies only take linux/amd64: push a single image`,
  });
}

const RAW_MODULES: readonly { readonly type: string; readonly format: ImageFormat }[] = [
  { type: MediaType.soloModule, format: "oci" },
  { type: MediaType.cncfModule, format: "cncf" },
  { type: MediaType.wasmToOciModule, format: "wasm-to-oci" },
  { type: MediaType.componentModule, format: "component" },
];

const TAR_GZIP: ReadonlySet<string> = new Set([MediaType.ociTarGzip, MediaType.dockerTarGzip]);

function typeOf(descriptor: Descriptor): string {
  return bareMediaType(descriptor.mediaType) ?? "";
}

function describeLayers(last: Descriptor | undefined): string {
  if (last === undefined) return "it has no layers";
  if (/zstd/u.test(last.mediaType)) return `its last layer is zstd (${last.mediaType}), which no proxy reads`;
  return `its last layer is of type ${last.mediaType}`;
}

function unknown(where: string, why: string): Error {
  return new WasmeError("incompatible", "LAYOUT_UNKNOWN", `${where} is not a wasm image: ${why}`, {
    hint: "an image for proxies holds a wasm layer, or plugin.wasm in a tar+gzip layer that comes last",
  });
}
