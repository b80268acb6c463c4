import { type BodySource, skipBytes } from "../domain/content.ts";
import { type Digest, startDigest } from "../domain/digest.ts";
import { encodeTarHeader, TAR_BLOCK, tarPadding } from "../domain/ustar.ts";
import {
  type BlobFacts,
  MODULE_FILE,
  type PackExtras,
  type PackedImage,
  packCompat,
  RUNTIME_CONFIG_FILE,
} from "../domain/wasm-image.ts";
import { gzip } from "./gzip.ts";
import { openScratch, type ScratchFile } from "./scratch-file.ts";

/** What goes into a `compat` image; `created` is the time of the files too, 1970 when it is absent. */
export interface CompatContent extends PackExtras {
  /** The wasm bytes; opened once or more. */
  readonly module: BodySource;
  /** `runtime-config.json`; left out when there is none. */
  readonly runtimeConfig: Uint8Array | undefined;
}

/** A `compat` image and the source of its layer. */
export interface CompatImage extends PackedImage {
  readonly layerBody: BodySource;
  /** Frees what was put aside for the layer, which cannot be read any more then. */
  release(): Promise<void>;
}

/**
 * Packs a module in the `compat` format. The digest of the layer is known when it was compressed whole: what came out is
 * put aside in a file in `scratchDir`. Where that cannot be written, or has no room, the layer is compressed again each
 * time it is read. Memory stays flat either way.
 */
export async function packCompatImage(
  content: CompatContent,
  options: {
    readonly scratchDir: string;
    readonly signal?: AbortSignal | undefined;
    /** Told how many bytes of the archive were compressed so far. */
    readonly onProgress?: (done: number) => void;
  },
): Promise<CompatImage> {
  const { signal, scratchDir, onProgress } = options;
  const aside = new Aside(await openScratch(scratchDir));
  try {
    const tarHash = startDigest();
    const layerHash = startDigest();
    let size = 0;
    let read = 0;
    const see = (piece: Uint8Array): void => {
      tarHash.update(piece);
      read += piece.byteLength;
      onProgress?.(read);
    };
    for await (const chunk of gzip(tarStream(content, see))) {
      signal?.throwIfAborted();
      layerHash.update(chunk);
      size += chunk.byteLength;
      await aside.append(chunk);
    }
    const layer: BlobFacts = { digest: layerHash.digest(), size };
    const diffId: Digest = tarHash.digest();
    const again = (start = 0): AsyncIterable<Uint8Array> => skipBytes(gzip(tarStream(content, () => undefined)), start);
    const layerBody = aside.body() ?? { size, open: again };
    return { ...packCompat(layer, diffId, content), layerBody, release: () => aside.close() };
  } catch (error) {
    await aside.close();
    throw error;
  }
}

/** A scratch file that is given up when the disk refuses a piece. */
class Aside {
  #file: ScratchFile | undefined;

  constructor(file: ScratchFile | undefined) {
    this.#file = file;
  }

  async append(chunk: Uint8Array): Promise<void> {
    try {
      await this.#file?.append(chunk);
    } catch {
      await this.close();
    }
  }

  body(): BodySource | undefined {
    return this.#file?.body();
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

/** The archive, a piece at a time; `see` is shown each piece. The module comes first: readers stop at it. */
async function* tarStream(content: CompatContent, see: (piece: Uint8Array) => void): AsyncGenerator<Uint8Array> {
  for await (const piece of tarPieces(content)) {
    see(piece);
    yield piece;
  }
}

async function* tarPieces({ module, runtimeConfig, created }: CompatContent): AsyncGenerator<Uint8Array> {
  const mtime = created === undefined ? 0 : created.getTime() / 1000;
  yield encodeTarHeader(MODULE_FILE, module.size, mtime);
  yield* module.open();
  yield* zeros(tarPadding(module.size));
  if (runtimeConfig !== undefined) {
    yield encodeTarHeader(RUNTIME_CONFIG_FILE, runtimeConfig.byteLength, mtime);
    yield runtimeConfig;
    yield* zeros(tarPadding(runtimeConfig.byteLength));
  }
  yield* zeros(2 * TAR_BLOCK);
}

function zeros(count: number): readonly Uint8Array[] {
  return count === 0 ? [] : [Buffer.alloc(count)];
}
