import { type Descriptor, describe, TITLE } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import { MediaType } from "./media-types.ts";
import { escapeHtml, formatRuntimeConfig, type RuntimeConfig } from "./runtime-config.ts";
import { formatSourceDate } from "./source-date.ts";

/** The formats wasme writes. */
export type PackFormat = "oci" | "compat" | "cncf";

/** A manifest ready to be stored or pushed, and the small blobs that go with it. The large one is only described. */
export interface PackedImage {
  /** Descriptor of `bytes`. */
  readonly manifest: Descriptor;
  readonly bytes: Uint8Array;
  /** Config blob; in the `oci` format also the first layer. */
  readonly config: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
  /** The module as it is (`oci`, `cncf`), or the tar+gzip layer that holds it (`compat`). */
  readonly layer: Descriptor;
}

/** What may be said about an image beside what is in it. */
export interface PackExtras {
  /** The time of making; none is written when it is absent. */
  readonly created?: Date | undefined;
  /** Annotations of the manifest it is made from; those that are about its format are left out. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** Digest and size in bytes of a large blob. */
export interface BlobFacts {
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Packs a module in the `oci` format, the two-layer artifact Istio and the old tool read: the runtime config is both
 * the config and the first layer (Istio insists on exactly two), the module follows as it is. Nothing in it depends on
 * time or machine: equal module and runtime config have equal digests.
 */
export function packOci(module: BlobFacts, runtimeConfig: RuntimeConfig, extras: PackExtras = {}): PackedImage {
  const configBytes = formatRuntimeConfig(runtimeConfig);
  const config = describe(MediaType.soloConfig, configBytes, { [TITLE]: RUNTIME_CONFIG_FILE });
  const layer: Descriptor = {
    mediaType: MediaType.soloModule,
    digest: module.digest,
    size: module.size,
    annotations: { [TITLE]: "filter.wasm" },
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config,
    layers: [config, layer],
    annotations: {
      ...abiAnnotations(runtimeConfig),
      ...keptAnnotations(extras),
      ...(extras.created === undefined ? {} : { [CREATED]: formatSourceDate(extras.created) }),
    },
  };
  return pack(manifest, { descriptor: config, bytes: configBytes }, layer);
}

/**
 * Packs the `compat` format, an ordinary image with one tar+gzip layer, for registries that refuse artifacts.
 * `layer` describes the compressed layer, `diffId` is the digest of the tar inside (OCI image spec, config.md). No
 * time of making is written unless one is given, so that equal content has equal digests.
 */
export function packCompat(layer: BlobFacts, diffId: Digest, extras: PackExtras = {}): PackedImage {
  const time = extras.created === undefined ? {} : { created: formatSourceDate(extras.created) };
  const image = { architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [diffId] } };
  const configBytes = Buffer.from(JSON.stringify({ ...time, ...image }));
  const config = describe(MediaType.ociConfig, configBytes);
  const described: Descriptor = { mediaType: MediaType.ociTarGzip, digest: layer.digest, size: layer.size };
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config,
    layers: [described],
    annotations: { [VARIANT]: "compat", ...keptAnnotations(extras) },
  };
  return pack(manifest, { descriptor: config, bytes: configBytes }, described);
}

/**
 * Packs the `cncf` format, the wasm artifact of the CNCF's runtime group: a config that lists the layers and one layer,
 * the module as it is. Its config must have a time of making (readers in Rust refuse one without): 1970 unless one
 * is given, so that equal content has equal digests. The format has no place for a runtime config: it is kept in an
 * annotation, and so comes back when the image is converted again.
 */
export function packCncf(
  module: BlobFacts,
  runtimeConfig: RuntimeConfig | undefined,
  extras: PackExtras = {},
): PackedImage {
  const time = formatSourceDate(extras.created ?? new Date(0));
  const configBytes = Buffer.from(
    JSON.stringify({ created: time, architecture: "wasm", os: "wasip1", layerDigests: [module.digest] }),
  );
  const config = describe(MediaType.cncfConfig, configBytes);
  const layer: Descriptor = { mediaType: MediaType.cncfModule, digest: module.digest, size: module.size };
  const own = runtimeConfig === undefined ? {} : runtimeConfigAnnotations(runtimeConfig);
  const annotations = { ...own, ...keptAnnotations(extras) };
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config,
    layers: [layer],
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
  return pack(manifest, { descriptor: config, bytes: configBytes }, layer);
}

/** The files inside a `compat` layer. */
export const MODULE_FILE = "plugin.wasm";
export const RUNTIME_CONFIG_FILE = "runtime-config.json";

/** The manifest annotation that keeps a runtime config, as JSON, where the format has no other place for it. */
export const RUNTIME_CONFIG_ANNOTATION = "wasme.io/runtime-config";

/** Manifest annotations of the wasm OCI image spec; present, and empty when there is nothing to say, as they always were. */
const ABI_VERSION = "module.wasm.runtime/abi_version";
const RUNTIME_TYPE = "module.wasm.runtime/type";
const VARIANT = "module.wasm.image/variant";
const CREATED = "org.opencontainers.image.created";

function abiAnnotations({ abiVersions, type }: RuntimeConfig): Record<string, string> {
  return { [ABI_VERSION]: (abiVersions ?? []).join(","), [RUNTIME_TYPE]: type ?? "" };
}

function runtimeConfigAnnotations(runtimeConfig: RuntimeConfig): Record<string, string> {
  const text = Buffer.from(formatRuntimeConfig(runtimeConfig)).toString("utf8");
  return { ...abiAnnotations(runtimeConfig), [RUNTIME_CONFIG_ANNOTATION]: text };
}

function keptAnnotations({ annotations = {} }: PackExtras): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !FORMAT_ANNOTATIONS.has(key)));
}

const FORMAT_ANNOTATIONS: ReadonlySet<string> = new Set([
  ABI_VERSION,
  RUNTIME_TYPE,
  VARIANT,
  RUNTIME_CONFIG_ANNOTATION,
]);

function pack(manifest: object, config: PackedImage["config"], layer: Descriptor): PackedImage {
  const bytes = Buffer.from(escapeHtml(JSON.stringify(manifest)));
  return { manifest: describe(MediaType.ociManifest, bytes), bytes, config, layer };
}
