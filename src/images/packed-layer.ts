import { collect, type Fetcher } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import { startDigest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { MAX_RUNTIME_CONFIG } from "../domain/runtime-config.ts";
import { type BlobFacts, MODULE_FILE, RUNTIME_CONFIG_FILE } from "../domain/wasm-image.ts";
import { gunzip } from "./gzip.ts";
import { configTooLong, MAX_IMAGE_MODULE, type ReadOptions } from "./read-image.ts";
import { readTar, type TarEntry } from "./read-tar.ts";

/** What a tar+gzip layer holds, as far as it is about the filter. */
export interface PackedLayer {
  readonly module: BlobFacts;
  /** The first bytes of the module, at most {@link HEAD}. */
  readonly head: Uint8Array;
  /** The runtime config as it stands there, `undefined` when there is none. */
  readonly config: Uint8Array | undefined;
}

/**
 * Reads a tar+gzip layer to its end: only then is its content verified. Throws `LAYOUT_UNKNOWN` (incompatible) when no
 * module is in it, `LAYER_INVALID`, and what the fetcher throws.
 */
export async function readPacked(source: Fetcher, layer: Descriptor, options: ReadOptions): Promise<PackedLayer> {
  let found: Pick<PackedLayer, "module" | "head"> | undefined;
  let config: Uint8Array | undefined;
  for await (const entry of entriesOf(source, layer, options)) {
    if (found === undefined && isFile(entry, MODULE_FILE)) found = await hashModule(entry, options);
    else if (config === undefined && isFile(entry, RUNTIME_CONFIG_FILE)) {
      config = await collect(entry.body, MAX_RUNTIME_CONFIG, configTooLong(options.where));
    }
  }
  if (found === undefined) throw noModule(options.where);
  return { ...found, config };
}

/** Streams the module in such a layer, verified up to the last byte. */
export async function* openPacked(
  source: Fetcher,
  layer: Descriptor,
  options: ReadOptions,
): AsyncGenerator<Uint8Array> {
  let found = false;
  for await (const entry of entriesOf(source, layer, options)) {
    if (found || !isFile(entry, MODULE_FILE)) continue;
    found = true;
    yield* entry.body;
  }
  if (!found) throw noModule(options.where);
}

/** True when a tar+gzip layer holds a module where proxies look for it; a damaged one does not. */
export async function holdsModule(source: Fetcher, layer: Descriptor, options: ReadOptions): Promise<boolean> {
  try {
    for await (const entry of entriesOf(source, layer, options)) if (isFile(entry, MODULE_FILE)) return true;
    return false;
  } catch (error) {
    if (error instanceof WasmeError && error.code === "LAYER_INVALID") return false;
    throw error;
  }
}

function entriesOf(source: Fetcher, layer: Descriptor, { signal }: ReadOptions): AsyncGenerator<TarEntry> {
  return readTar(gunzip(source.fetch(layer, signal)), MAX_UNPACKED);
}

/** A regular file by its base name, as Istio looks for it; the first one wins. */
function isFile(entry: TarEntry, name: string): boolean {
  return entry.type === "0" && entry.name.split("/").at(-1) === name;
}

async function hashModule(entry: TarEntry, { onModule }: ReadOptions): Promise<Pick<PackedLayer, "module" | "head">> {
  const hash = startDigest();
  let head: Uint8Array = new Uint8Array(0);
  for await (const chunk of entry.body) {
    onModule?.(chunk);
    if (head.byteLength < HEAD) head = Buffer.concat([head, chunk.subarray(0, HEAD)]);
    hash.update(chunk);
  }
  return { module: { digest: hash.digest(), size: entry.size }, head };
}

function noModule(where: string): Error {
  const message = `${where} is not a wasm image: its last layer has no ${MODULE_FILE}`;
  return new WasmeError("incompatible", "LAYOUT_UNKNOWN", message, {
    hint: `an ordinary image for proxies has the file ${MODULE_FILE} in its last layer`,
  });
}

/** A module of the largest size with some room for what stands beside it; bounds what a small file may unpack to. Bytes. */
const MAX_UNPACKED: number = MAX_IMAGE_MODULE + 16 * 1024 * 1024;
/** Enough to tell a module, and what else it may be. Bytes. */
const HEAD = 512;
