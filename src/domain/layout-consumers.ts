import type { Descriptor } from "./descriptor.ts";
import type { OciManifest } from "./manifest.ts";
import { MediaType } from "./media-types.ts";

/** Whether a program can take the module out of an image of this layout. */
export interface ConsumerVerdict {
  readonly consumer: string;
  readonly accepts: boolean;
  /** Why not, a clause; absent when it does. */
  readonly reason?: string;
}

/**
 * Who accepts the layout of an image, by the rules those programs apply: Istio's agent, whose puller Envoy Gateway and
 * Higress share; the old wasme; and the runtimes that take the CNCF artifact.
 */
export function consumersOf(manifest: OciManifest, mediaType: string): readonly ConsumerVerdict[] {
  const istio = istioReason(manifest, mediaType);
  return [
    ...["Istio", "Envoy Gateway", "Higress"].map((consumer) => verdict(consumer, istio)),
    verdict("wasme 0.0.33", oldToolReason(manifest)),
    verdict("runwasi", runwasiReason(manifest)),
    verdict("wasmCloud", wasmCloudReason(manifest)),
    verdict("wkg", wkgReason(manifest)),
  ];
}

/** Istio's decision (pkg/wasm/imagefetcher.go): Docker's shape, else `compat`, else exactly two layers. */
function istioReason({ layers }: OciManifest, mediaType: string): string | undefined {
  const last = layers.at(-1)?.mediaType;
  if (mediaType === MediaType.dockerManifest) {
    return last === MediaType.dockerTarGzip ? undefined : "the last layer of a Docker image must be tar+gzip";
  }
  if (last === MediaType.ociTarGzip) return undefined;
  if (layers.length !== 2) return `it needs two layers, or tar+gzip as the last one; there are ${layers.length}`;
  // Its library looks a layer up by digest, so the type of the first layer with that digest counts.
  const found = layers.some(({ digest }) => typeOfFirst(layers, digest) === MediaType.soloModule);
  return found ? undefined : `none of the two layers has type ${MediaType.soloModule}`;
}

function typeOfFirst(layers: readonly Descriptor[], digest: string): string | undefined {
  return layers.find((layer) => layer.digest === digest)?.mediaType;
}

/** Finds config and module by type, anywhere. */
function oldToolReason({ config, layers }: OciManifest): string | undefined {
  const types = new Set([config, ...layers].map((each) => each.mediaType));
  const missing = [MediaType.soloConfig, MediaType.soloModule].find((type) => !types.has(type));
  return missing === undefined ? undefined : `it needs something of type ${missing}`;
}

function runwasiReason({ layers }: OciManifest): string | undefined {
  const known = layers.some(({ mediaType }) => WASM_LAYERS.has(mediaType));
  return known ? undefined : `it needs a layer of type ${MediaType.cncfModule}`;
}

/** Takes the first layer, and refuses an image with a layer of any type it does not know. */
function wasmCloudReason({ layers }: OciManifest): string | undefined {
  const foreign = layers.find(({ mediaType }) => !WASMCLOUD_LAYERS.has(mediaType));
  if (foreign !== undefined) return `it refuses layers of type ${foreign.mediaType}`;
  return layers.length > 0 ? undefined : "there is no layer";
}

function wkgReason({ config, layers }: OciManifest): string | undefined {
  if (config.mediaType !== MediaType.cncfConfig) return `it needs a config of type ${MediaType.cncfConfig}`;
  const single = layers.length === 1 && layers[0]?.mediaType === MediaType.cncfModule;
  return single ? undefined : `it needs exactly one layer, of type ${MediaType.cncfModule}`;
}

const WASM_LAYERS: ReadonlySet<string> = new Set([MediaType.cncfModule, MediaType.componentModule]);
const WASMCLOUD_LAYERS: ReadonlySet<string> = new Set([MediaType.cncfModule, MediaType.soloModule]);

function verdict(consumer: string, reason: string | undefined): ConsumerVerdict {
  return reason === undefined ? { consumer, accepts: true } : { consumer, accepts: false, reason };
}
