import { gzipSync } from "node:zlib";
import { bytesSource } from "../../src/domain/content.ts";
import { type Descriptor, describe } from "../../src/domain/descriptor.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import type { ImageStore } from "../../src/store/image-store.ts";
import { type Member, tarOf } from "./archives.ts";

/** A layer of a made image. */
export interface MadeLayer {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** What {@link putImage} makes. */
export interface MadeImage {
  readonly config?: MadeLayer;
  readonly layers: readonly MadeLayer[];
  readonly mediaType?: string;
  readonly extra?: Readonly<Record<string, unknown>>;
}

const EMPTY: MadeLayer = { mediaType: MediaType.ociEmpty, bytes: Buffer.from("{}") };

/** Stores an image of any layout under a name, as another tool would, and describes its manifest. */
export async function putImage(store: ImageStore, name: string, image: MadeImage): Promise<Descriptor> {
  const put = async ({ mediaType, bytes }: MadeLayer): Promise<Descriptor> => {
    const descriptor = describe(mediaType, bytes);
    await store.push(descriptor, bytesSource(bytes));
    return descriptor;
  };
  const config = await put(image.config ?? EMPTY);
  const layers: Descriptor[] = [];
  for (const layer of image.layers) layers.push(await put(layer));
  const mediaType = image.mediaType ?? MediaType.ociManifest;
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers, ...image.extra }));
  const manifest = await put({ mediaType, bytes });
  await store.tag(name, manifest);
  await store.tag(`${name.slice(0, name.lastIndexOf(":"))}@${manifest.digest}`, manifest);
  return manifest;
}

/** A tar+gzip layer. */
export function packed(members: readonly Member[], mediaType: string = MediaType.ociTarGzip): MadeLayer {
  return { mediaType, bytes: gzipSync(tarOf(members)) };
}

/** The known layouts, each around the same module and config. */
export function knownLayouts(
  module: Uint8Array,
  config: string,
): Readonly<Record<string, MadeImage & { has: string }>> {
  const soloConfig: MadeLayer = { mediaType: MediaType.soloConfig, bytes: Buffer.from(config) };
  const solo: MadeLayer = { mediaType: MediaType.soloModule, bytes: module };
  const members = [
    { name: "plugin.wasm", content: module },
    { name: "runtime-config.json", content: config },
  ];
  const image: MadeLayer = {
    mediaType: MediaType.ociConfig,
    bytes: Buffer.from('{"architecture":"amd64","os":"linux"}'),
  };
  const raw = (mediaType: string, configType: string): MadeImage => ({
    config: { mediaType: configType, bytes: Buffer.from("{}") },
    layers: [{ mediaType, bytes: module }],
  });
  return {
    "solo, two layers": { config: soloConfig, layers: [soloConfig, solo], has: "oci" },
    "solo, one layer": { config: soloConfig, layers: [solo], has: "oci" },
    "solo, three layers": {
      config: soloConfig,
      layers: [soloConfig, solo, { mediaType: "text/markdown", bytes: Buffer.from("# doc") }],
      has: "oci",
    },
    "solo, layers reversed, empty config": {
      layers: [solo, soloConfig],
      extra: { artifactType: MediaType.soloConfig },
      has: "oci",
    },
    compat: { config: image, layers: [packed(members)], has: "compat" },
    "compat, docs first, files in a folder": {
      config: image,
      layers: [
        packed([{ name: "README.md", content: "# doc" }]),
        packed(members.map(({ name, content }) => ({ name: `./some/folder/${name}`, content }))),
      ],
      has: "compat",
    },
    "compat, Docker's types": {
      config: { mediaType: MediaType.dockerConfig, bytes: image.bytes },
      layers: [packed(members, MediaType.dockerTarGzip)],
      mediaType: MediaType.dockerManifest,
      has: "compat",
    },
    "CNCF artifact": { ...raw(MediaType.cncfModule, MediaType.cncfConfig), has: "cncf" },
    "wasm-to-oci": { ...raw(MediaType.wasmToOciModule, MediaType.wasmToOciConfig), has: "wasm-to-oci" },
    "component builder's type": { ...raw(MediaType.componentModule, MediaType.ociConfig), has: "component" },
    hybrid: { config: soloConfig, layers: [soloConfig, solo, packed(members)], has: "oci" },
  };
}
