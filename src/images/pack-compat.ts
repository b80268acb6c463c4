import { type BodySource, skipBytes } from "../domain/content.ts";
import { type Digest, startDigest } from "../domain/digest.ts";
import { encodeTarHeader, TAR_BLOCK, tarPadding } from "../domain/ustar.ts";
import {
  type BlobFacts,
  MODULE_FILE,
  type PackedImage,
  packCompat,
  RUNTIME_CONFIG_FILE,
} from "../domain/wasm-image.ts";
import { gzip } from "./gzip.ts";

/** What goes into the one layer of a `compat` image. */
export interface CompatContent {
  /** The wasm bytes; opened twice or more. */
  readonly module: BodySource;
  /** `runtime-config.json`; left out when there is none. */
  readonly runtimeConfig: Uint8Array | undefined;
}

/** A `compat` image and the source of its layer. */
export interface CompatImage extends PackedImage {
  readonly layerBody: BodySource;
}

/**
 * Packs a module in the `compat` format. The layer is compressed twice, once to learn its digest and once when it is
 * uploaded, rather than kept in memory or on disk: memory stays flat and a full or read-only disk does not matter.
 */
export async function packCompatImage(content: CompatContent, signal?: AbortSignal): Promise<CompatImage> {
  const tarHash = startDigest();
  const layerHash = startDigest();
  let size = 0;
  for await (const chunk of gzip(tarStream(content, (piece) => tarHash.update(piece)))) {
    signal?.throwIfAborted();
    layerHash.update(chunk);
    size += chunk.byteLength;
  }
  const layer: BlobFacts = { digest: layerHash.digest(), size };
  const diffId: Digest = tarHash.digest();
  const open = (start = 0): AsyncIterable<Uint8Array> => skipBytes(gzip(tarStream(content, () => undefined)), start);
  return { ...packCompat(layer, diffId), layerBody: { size, open } };
}

/** The archive, a piece at a time; `see` is shown each piece. The module comes first: readers stop at it. */
async function* tarStream(content: CompatContent, see: (piece: Uint8Array) => void): AsyncGenerator<Uint8Array> {
  for await (const piece of tarPieces(content)) {
    see(piece);
    yield piece;
  }
}

async function* tarPieces({ module, runtimeConfig }: CompatContent): AsyncGenerator<Uint8Array> {
  yield encodeTarHeader(MODULE_FILE, module.size);
  yield* module.open();
  yield* zeros(tarPadding(module.size));
  if (runtimeConfig !== undefined) {
    yield encodeTarHeader(RUNTIME_CONFIG_FILE, runtimeConfig.byteLength);
    yield runtimeConfig;
    yield* zeros(tarPadding(runtimeConfig.byteLength));
  }
  yield* zeros(2 * TAR_BLOCK);
}

function zeros(count: number): readonly Uint8Array[] {
  return count === 0 ? [] : [Buffer.alloc(count)];
}
