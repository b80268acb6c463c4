import { type Descriptor, describe, TITLE } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import { MediaType } from "./media-types.ts";
import { escapeHtml, formatRuntimeConfig, type RuntimeConfig } from "./runtime-config.ts";

/** A manifest ready to be stored or pushed, and the small blobs that go with it. The large one is only described. */
export interface PackedImage {
  /** Descriptor of `bytes`. */
  readonly manifest: Descriptor;
  readonly bytes: Uint8Array;
  /** Config blob; in the `oci` format also the first layer. */
  readonly config: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
  /** The module as it is (`oci`), or the tar+gzip layer that holds it (`compat`). */
  readonly layer: Descriptor;
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
export function packOci(module: BlobFacts, runtimeConfig: RuntimeConfig): PackedImage {
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
      [ABI_VERSION]: (runtimeConfig.abiVersions ?? []).join(","),
      [RUNTIME_TYPE]: runtimeConfig.type ?? "",
    },
  };
  return pack(manifest, { descriptor: config, bytes: configBytes }, layer);
}

/**
 * Packs the `compat` format, an ordinary image with one tar+gzip layer, for registries that refuse artifacts.
 * `layer` describes the compressed layer, `diffId` is the digest of the tar inside (OCI image spec, config.md). No
 * time of making is written, so that equal content has equal digests.
 */
export function packCompat(layer: BlobFacts, diffId: Digest): PackedImage {
  const configBytes = Buffer.from(
    JSON.stringify({ architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [diffId] } }),
  );
  const config = describe(MediaType.ociConfig, configBytes);
  const described: Descriptor = { mediaType: MediaType.ociTarGzip, digest: layer.digest, size: layer.size };
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config,
    layers: [described],
    annotations: { [VARIANT]: "compat" },
  };
  return pack(manifest, { descriptor: config, bytes: configBytes }, described);
}

/** The files inside a `compat` layer. */
export const MODULE_FILE = "plugin.wasm";
export const RUNTIME_CONFIG_FILE = "runtime-config.json";

/** Manifest annotations of the wasm OCI image spec; present, and empty when there is nothing to say, as they always were. */
const ABI_VERSION = "module.wasm.runtime/abi_version";
const RUNTIME_TYPE = "module.wasm.runtime/type";
const VARIANT = "module.wasm.image/variant";

function pack(manifest: object, config: PackedImage["config"], layer: Descriptor): PackedImage {
  const bytes = Buffer.from(escapeHtml(JSON.stringify(manifest)));
  return { manifest: describe(MediaType.ociManifest, bytes), bytes, config, layer };
}
