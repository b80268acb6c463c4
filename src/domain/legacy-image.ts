import { describe, TITLE } from "./descriptor.ts";
import { MediaType } from "./media-types.ts";
import { escapeHtml, type RuntimeConfig } from "./runtime-config.ts";
import { type BlobFacts, type PackedImage, packOci, RUNTIME_CONFIG_FILE } from "./wasm-image.ts";

/**
 * Packs a module exactly as the old tool pushed it, so that the image keeps the digest users may have pinned: the `oci`
 * format without `mediaType` in the manifest. `configBytes` is the config blob, `runtimeConfig` what it says.
 */
export function packLegacy(module: BlobFacts, configBytes: Uint8Array, runtimeConfig: RuntimeConfig): PackedImage {
  const { bytes: today, layer } = packOci(module, runtimeConfig);
  const config = describe(MediaType.soloConfig, configBytes, { [TITLE]: RUNTIME_CONFIG_FILE });
  const { mediaType, ...rest } = JSON.parse(Buffer.from(today).toString("utf8")) as Record<string, unknown>;
  const manifest = { ...rest, config, layers: [config, layer] };
  const bytes = Buffer.from(escapeHtml(JSON.stringify(manifest)));
  return {
    manifest: describe(String(mediaType), bytes),
    bytes,
    config: { descriptor: config, bytes: configBytes },
    layer,
  };
}
