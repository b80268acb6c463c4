import type { Descriptor } from "./descriptor.ts";
import { WasmeError } from "./errors.ts";
import type { OciIndex, OciManifest } from "./manifest.ts";
import { bareMediaType, MediaType } from "./media-types.ts";
import type { ImageFormat } from "./resolved-image.ts";
import { RUNTIME_CONFIG_ANNOTATION } from "./wasm-image.ts";

/** Bytes of a module Istio's agent and Envoy Gateway fetch at most (`ISTIO_WASM_MAX_BINARY_SIZE_BYTES` of the former). */
export const PROXY_LIMIT: number = 256 * 1024 * 1024;

/** Where an image keeps its module and runtime config. */
export interface WasmLayout {
  readonly format: ImageFormat;
  /** The blob that is the module (`raw`) or a gzipped tar with `plugin.wasm` in it (`tar+gzip`). */
  readonly module: Descriptor;
  readonly packing: "raw" | "tar+gzip";
  /** The runtime config's own blob; a `compat` image has it inside the tar, other formats have none. */
  readonly runtimeConfig: Descriptor | undefined;
  /** The runtime config as JSON, where an annotation keeps it (`cncf`). */
  readonly runtimeConfigText: string | undefined;
  /** True when another reader might take another layer than we do: `hybrid` images hold two modules. */
  readonly ambiguous: boolean;
}

/**
 * Finds the module of an image by the media types of its layers, in this order: the wasm OCI image spec's, the CNCF
 * artifact's, wasm-to-oci's, the component builder's, and last an ordinary image whose last layer is tar+gzip.
 * Throws `LAYOUT_UNKNOWN` (incompatible) when none fits.
 */
export function findModule(manifest: OciManifest, where: string): WasmLayout {
  const { layers, config } = manifest;
  if (typeOf(config) === MediaType.spinConfig) throw spinApplication(where);
  const last = layers.at(-1);
  const packed = last !== undefined && isTarGzip(last) ? last : undefined;
  const runtimeConfig = [config, ...layers].find((each) => typeOf(each) === MediaType.soloConfig);
  const runtimeConfigText = manifest.annotations?.[RUNTIME_CONFIG_ANNOTATION];
  for (const { type, format } of RAW_MODULES) {
    // One blob may be listed under several types, or twice: that is still one module.
    const found = uniqueDigests(layers.filter((layer) => typeOf(layer) === type));
    const [module] = found;
    if (module === undefined) continue;
    if (found.length > 1)
      throw unknown(where, `it has ${found.length} layers of type ${type}, so it is not clear which one is meant`);
    const others = layers.filter((layer) => RAW_TYPES.has(typeOf(layer)) && layer.digest !== module.digest);
    const ambiguous = packed !== undefined || others.length > 0;
    return { format, module, packing: "raw", runtimeConfig, runtimeConfigText, ambiguous };
  }
  if (packed === undefined) throw unknown(where, describeLayers(last));
  const nothing = { runtimeConfig: undefined, runtimeConfigText };
  return { format: "compat", module: packed, packing: "tar+gzip", ...nothing, ambiguous: false };
}

/**
 * True when an image is in the very shape wasme writes for a format (or one no reader of that format tells apart), so
 * that converting it would change nothing for anybody. `oci` is the artifact with exactly two layers.
 */
export function isInFormat(manifest: OciManifest, format: ImageFormat): boolean {
  if (manifest.mediaType === undefined) return false; // as old tools wrote it; some registries insist on it
  const types = manifest.layers.map(typeOf);
  if (format === "oci")
    return types.length === 2 && types.includes(MediaType.soloConfig) && types.includes(MediaType.soloModule);
  if (format === "cncf") {
    return typeOf(manifest.config) === MediaType.cncfConfig && types.length === 1 && types[0] === MediaType.cncfModule;
  }
  const last = manifest.layers.at(-1);
  return format === "compat" && last !== undefined && isTarGzip(last) && !types.some((type) => RAW_TYPES.has(type));
}

/** True for a layer that is a gzipped tar, by OCI's or Docker's name. */
export function isTarGzip(descriptor: Descriptor): boolean {
  const type = typeOf(descriptor);
  return type === MediaType.ociTarGzip || type === MediaType.dockerTarGzip;
}

/** The child of an index that stands for the image. */
export interface ChosenChild {
  readonly child: Descriptor;
  /** False for a child no proxy takes from an index: one for a wasm platform. */
  readonly forProxies: boolean;
}

/**
 * Chooses the child of an index that stands for the image. Istio takes the first one for linux/amd64, and counts one
 * without platform as that; so do we, so that what is checked here is what runs there. Without one, the first child for
 * a wasm platform counts (wasip1 before others), which Istio would not take. Throws `PLATFORM_MISSING`.
 */
export function chooseChild(index: OciIndex, where: string): ChosenChild {
  const { manifests } = index;
  const forProxies = manifests.find(isForProxies);
  if (forProxies !== undefined) return { child: forProxies, forProxies: true };
  const wasm = manifests.filter(isWasmPlatform);
  const child = wasm.find(({ platform }) => platform?.os === "wasip1") ?? wasm[0];
  if (child !== undefined) return { child, forProxies: false };
  const seen = manifests.map(({ platform }) => `${platform?.os ?? "?"}/${platform?.architecture ?? "?"}`);
  throw new WasmeError("incompatible", "PLATFORM_MISSING", `${where} is an index without an image for linux/amd64`, {
    hint: `it has ${seen.slice(0, 8).join(", ") || "no image at all"}; proxies only take linux/amd64: push a single image`,
  });
}

/** True for a child of an index that Istio takes for the image. */
export function isForProxies({ platform }: Descriptor): boolean {
  return platform === undefined || (platform.os === "linux" && platform.architecture === "amd64");
}

/** True for a child of an index that wasm runtimes take for the image. */
export function isWasmPlatform({ platform }: Descriptor): boolean {
  return WASM_ARCHITECTURES.has(platform?.architecture ?? "");
}

const RAW_MODULES: readonly { readonly type: string; readonly format: ImageFormat }[] = [
  { type: MediaType.soloModule, format: "oci" },
  { type: MediaType.cncfModule, format: "cncf" },
  { type: MediaType.wasmToOciModule, format: "wasm-to-oci" },
  { type: MediaType.componentModule, format: "component" },
];
const RAW_TYPES: ReadonlySet<string> = new Set(RAW_MODULES.map(({ type }) => type));

/** The current name and one that older builders wrote. */
const WASM_ARCHITECTURES: ReadonlySet<string> = new Set(["wasm", "wasm32"]);

/** The media type as it is to be compared. */
function typeOf(descriptor: Descriptor): string {
  return bareMediaType(descriptor.mediaType) ?? "";
}

function uniqueDigests(layers: readonly Descriptor[]): readonly Descriptor[] {
  return [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
}

function describeLayers(last: Descriptor | undefined): string {
  if (last === undefined) return "it has no layers";
  if (/zstd/u.test(last.mediaType)) return `its last layer is zstd (${last.mediaType}), which no proxy reads`;
  return `its last layer is of type ${last.mediaType}`;
}

function spinApplication(where: string): Error {
  const message = `${where} is not a wasm image for proxies: it is a Spin application`;
  return new WasmeError("incompatible", "LAYOUT_UNKNOWN", message, {
    hint: "its components run in Spin only; a filter is a module built against the Proxy-Wasm ABI",
  });
}

function unknown(where: string, why: string): Error {
  return new WasmeError("incompatible", "LAYOUT_UNKNOWN", `${where} is not a wasm image: ${why}`, {
    hint: "an image for proxies holds a wasm layer, or plugin.wasm in a tar+gzip layer that comes last",
  });
}
