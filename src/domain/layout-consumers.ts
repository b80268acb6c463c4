import type { Descriptor } from "./descriptor.ts";
import type { OciIndex, OciManifest } from "./manifest.ts";
import { bareMediaType, MediaType } from "./media-types.ts";
import { isForProxies, isTarGzip, isWasmPlatform, PROXY_LIMIT } from "./wasm-layout.ts";

/** Whether a program can take the module out of an image of this layout. */
export interface ConsumerVerdict {
  readonly consumer: string;
  /** True exactly when the verdict is `accepts`. */
  readonly accepts: boolean;
  /** `unknown`: neither its code nor its documentation tells. */
  readonly verdict: "accepts" | "refuses" | "unknown";
  /** The rule that refuses, or what is not known, a clause; absent when it accepts. */
  readonly reason?: string;
  /** What to mind although it accepts, a clause. */
  readonly note?: string;
}

/** What the verdicts are made of. */
export interface ConsumedImage {
  readonly manifest: OciManifest;
  /** The manifest's effective type. */
  readonly mediaType: string;
  /** Bytes of the module; limits are not looked at when it is absent. */
  readonly moduleSize?: number;
  /** Whether the last layer, a tar+gzip, holds `plugin.wasm`; `undefined` when nobody looked. */
  readonly pluginInLast?: boolean;
  /** The index the name stands for, when it is not the image itself. */
  readonly index?: OciIndex | undefined;
}

/**
 * Who accepts the layout of an image, by the rules those programs apply: Istio's agent, whose puller Envoy Gateway and
 * Higress share; the old wasme; the runtimes that take the CNCF artifact; container engines; and Google's Service
 * Extensions, as far as they are documented.
 */
export function consumersOf(image: ConsumedImage): readonly ConsumerVerdict[] {
  const proxy = proxyRule(image);
  const rules: readonly (readonly [string, Finding])[] = [
    ["Istio", proxy],
    ["Envoy Gateway", proxy],
    ["Higress", proxy],
    ["wasme 0.0.33", oldToolRule(image)],
    ["runwasi", runwasiRule(image)],
    ["wasmCloud", wasmCloudRule(image)],
    ["wkg", wkgRule(image)],
    ["Docker, podman", engineRule(image)],
    ["Google Service Extensions", googleRule(image)],
  ];
  return rules.map(([consumer, { verdict, ...why }]) => ({
    consumer,
    accepts: verdict === "accepts",
    verdict,
    ...why,
  }));
}

/** Why Istio's agent, and whoever shares its puller, refuses an image: a clause; `undefined` when it accepts. */
export function proxyRefusal(image: ConsumedImage): string | undefined {
  return proxyRule(image).reason;
}

type Finding = Pick<ConsumerVerdict, "verdict" | "reason" | "note">;

const ACCEPTS: Finding = { verdict: "accepts" };
const acceptsBut = (note: string): Finding => ({ verdict: "accepts", note });
const refuses = (reason: string): Finding => ({ verdict: "refuses", reason });
const unknown = (reason: string): Finding => ({ verdict: "unknown", reason });

/** Istio's decision (pkg/wasm/imagefetcher.go): Docker's shape, else `compat`, else exactly two layers. */
function proxyRule(image: ConsumedImage): Finding {
  const { manifest, mediaType, index, moduleSize = 0, pluginInLast } = image;
  if (index !== undefined && !index.manifests.some(isForProxies)) {
    return refuses("it takes the image for linux/amd64 from an index, and there is none");
  }
  const { layers } = manifest;
  const last = typeOf(layers.at(-1));
  const docker = mediaType === MediaType.dockerManifest;
  if (docker && last !== MediaType.dockerTarGzip) return refuses("the last layer of a Docker image must be tar+gzip");
  if (docker || last === MediaType.ociTarGzip) {
    if (pluginInLast === false) return refuses("the last layer is tar+gzip but holds no file plugin.wasm");
  } else {
    if (layers.length !== 2)
      return refuses(`it needs two layers, or tar+gzip as the last one; there are ${layers.length}`);
    // Its library looks a layer up by digest, so the type of the first layer with that digest counts.
    const found = layers.some(({ digest }) => typeOfFirst(layers, digest) === MediaType.soloModule);
    if (!found) return refuses(`none of the two layers has type ${MediaType.soloModule}`);
  }
  return moduleSize > PROXY_LIMIT ? refuses("it reads at most 256 MiB of a module") : ACCEPTS;
}

/** Finds config and module by type, anywhere. */
function oldToolRule({ manifest, index }: ConsumedImage): Finding {
  if (index !== undefined) return refuses("it does not read an image index");
  const types = new Set([manifest.config, ...manifest.layers].map(typeOf));
  const missing = [MediaType.soloConfig, MediaType.soloModule].find((type) => !types.has(type));
  return missing === undefined ? ACCEPTS : refuses(`it needs something of type ${missing}`);
}

/** A wasm layer, or else whatever containerd can unpack as an ordinary image. */
function runwasiRule({ manifest, index }: ConsumedImage): Finding {
  const { config, layers } = manifest;
  if (layers.some((layer) => WASM_LAYERS.has(typeOf(layer)))) return forWasm(index, ACCEPTS);
  if (!isImageConfig(config) || !layers.some(isFileSystem)) {
    return refuses(`it needs a layer of type ${MediaType.cncfModule}`);
  }
  if (layers.every(isFileSystem)) return acceptsBut("as an ordinary image: the container's command names the module");
  return unknown("it depends on whether containerd unpacks the other layers");
}

/** Takes the first layer, and refuses an image with a layer of any type it does not know. */
function wasmCloudRule({ manifest, index }: ConsumedImage): Finding {
  const [first] = manifest.layers;
  if (first === undefined) return refuses("there is no layer");
  const foreign = manifest.layers.find((layer) => !WASMCLOUD_LAYERS.has(typeOf(layer)));
  if (foreign !== undefined) return refuses(`it refuses layers of type ${foreign.mediaType}`);
  const old = typeOf(first) === MediaType.soloModule;
  return forWasm(index, old ? acceptsBut("the type of the layer is deprecated there") : ACCEPTS);
}

/** Wasm runtimes take the image for their platform from an index. */
function forWasm(index: OciIndex | undefined, otherwise: Finding): Finding {
  const found = index === undefined || index.manifests.some(isWasmPlatform);
  return found ? otherwise : unknown("the index has no image for a wasm platform");
}

function wkgRule({ manifest: { config, layers }, index }: ConsumedImage): Finding {
  if (typeOf(config) !== MediaType.cncfConfig) return refuses(`it needs a config of type ${MediaType.cncfConfig}`);
  if (layers.length !== 1 || typeOf(layers[0]) !== MediaType.cncfModule) {
    return refuses(`it needs exactly one layer, of type ${MediaType.cncfModule}`);
  }
  return index === undefined ? ACCEPTS : unknown("it is not known to read an image index");
}

/** `docker pull`, `podman pull`: ordinary images only; `docker create` and `docker cp` take the module out. */
function engineRule({ manifest: { config, layers }, index }: ConsumedImage): Finding {
  if (index !== undefined && !index.manifests.some(isForProxies)) {
    return refuses("the index has no image for the engine's platform");
  }
  if (!isImageConfig(config)) return refuses(`a config of type ${config.mediaType} makes it an artifact, not an image`);
  const foreign = layers.find((layer) => !isFileSystem(layer));
  if (foreign !== undefined) return refuses(`a layer of type ${foreign.mediaType} is no file system`);
  return layers.length > 0 ? ACCEPTS : refuses("there is no layer");
}

/** What is documented: an image with nothing but `plugin.wasm`, module and configuration of at most 2 MiB. */
function googleRule({ manifest: { config, layers }, index, moduleSize = 0, pluginInLast }: ConsumedImage): Finding {
  if (index !== undefined && !index.manifests.some(isForProxies)) return refuses("the index has no ordinary image");
  if (pluginInLast === false) return refuses("the last layer holds no file plugin.wasm");
  if (moduleSize > GOOGLE_LIMIT) return refuses("its limit for module and configuration is 2 MiB");
  if (isImageConfig(config) && layers.length === 1 && layers.every(isTarGzip)) return ACCEPTS;
  if (layers.some(isTarGzip)) return unknown("only an image with plugin.wasm in its one layer is documented");
  if (isSolo(config, layers)) return unknown("artifacts of this type are not documented");
  return refuses("it needs plugin.wasm in a tar+gzip layer of an ordinary image");
}

function isSolo(config: Descriptor, layers: readonly Descriptor[]): boolean {
  const type = typeOf(config);
  const known = type === MediaType.soloConfig || type === MediaType.ociEmpty;
  return known && layers.some((layer) => typeOf(layer) === MediaType.soloModule);
}

function isImageConfig(config: Descriptor): boolean {
  const type = typeOf(config);
  return type === MediaType.ociConfig || type === MediaType.dockerConfig;
}

/** Tar, in any compression container engines know. */
function isFileSystem(layer: Descriptor): boolean {
  return /\.tar(?:[+.](?:gzip|zstd))?$/u.test(typeOf(layer));
}

function typeOfFirst(layers: readonly Descriptor[], digest: string): string {
  return typeOf(layers.find((layer) => layer.digest === digest));
}

function typeOf(descriptor: Descriptor | undefined): string {
  return bareMediaType(descriptor?.mediaType) ?? "";
}

const WASM_LAYERS: ReadonlySet<string> = new Set([MediaType.cncfModule, MediaType.componentModule]);
const WASMCLOUD_LAYERS: ReadonlySet<string> = new Set([MediaType.cncfModule, MediaType.soloModule]);
/** Bytes. */
const GOOGLE_LIMIT = 2 * 1024 * 1024;
