import { collect, type Fetcher } from "../domain/content.ts";
import { messageOf, WasmeError } from "../domain/errors.ts";
import type { OciManifest } from "../domain/manifest.ts";
import { MAX_RUNTIME_CONFIG, parseRuntimeConfig, type RuntimeConfig } from "../domain/runtime-config.ts";
import { type BlobFacts, RUNTIME_CONFIG_FILE } from "../domain/wasm-image.ts";
import { findModule, type WasmLayout } from "../domain/wasm-layout.ts";
import { fileKind } from "../wasm/file-kind.ts";

/** What an image holds, its layout understood. */
export interface ImageContents {
  readonly layout: WasmLayout;
  /** Digest and size of the wasm bytes, whatever they are packed in. */
  readonly module: BlobFacts;
  /** `undefined` when the image carries none. */
  readonly runtimeConfig: RuntimeConfig | undefined;
}

/** How an image is read. */
export interface ReadOptions {
  /** Names it in messages. */
  readonly where: string;
  readonly signal?: AbortSignal | undefined;
  /** Is shown the wasm bytes piece by piece: then they are read whole in any case, and only once. */
  readonly onModule?: ((piece: Uint8Array) => void) | undefined;
}

/**
 * Reads an image from the store or a registry. A module that is a layer by itself is only looked at (its first bytes:
 * magic and version); a packed one is read whole, since its digest is not in the manifest.
 * Throws `LAYOUT_UNKNOWN`, `MODULE_IS_COMPONENT`, `MODULE_TOO_LARGE`, `IMAGE_NOT_WASM` or `IMAGE_CONFIG_INVALID` (incompatible),
 * `LAYER_INVALID`, and what the fetcher throws.
 */
export async function readImage(source: Fetcher, manifest: OciManifest, options: ReadOptions): Promise<ImageContents> {
  const layout = findLayout(manifest, options.where);
  if (layout.packing === "tar+gzip") {
    const { readPacked } = await import("./packed-layer.ts");
    const packed = await readPacked(source, layout.module, options);
    checkMagic(packed.head, options.where);
    const { config } = packed;
    const runtimeConfig = config === undefined ? undefined : parseConfig(config, options.where);
    return { layout, module: packed.module, runtimeConfig };
  }
  const { digest, size } = layout.module;
  await checkHeader(source.fetch(layout.module, options.signal), options);
  return { layout, module: { digest, size }, runtimeConfig: await readConfig(source, layout, options) };
}

/**
 * Finds the module of an image, and refuses one whose size alone says that it is none for proxies: before anything of it
 * is fetched. Throws `LAYOUT_UNKNOWN` or `MODULE_TOO_LARGE` (incompatible).
 */
export function findLayout(manifest: OciManifest, where: string): WasmLayout {
  const layout = findModule(manifest, where);
  if (layout.module.size > MAX_IMAGE_MODULE) throw moduleTooLarge(where);
  return layout;
}

/** Streams the wasm bytes of an image, verified up to the last byte; see {@link readImage} for the errors. */
export async function* openModule(
  source: Fetcher,
  layout: WasmLayout,
  options: { readonly where: string; readonly signal?: AbortSignal | undefined },
): AsyncGenerator<Uint8Array> {
  if (layout.packing === "raw") return yield* source.fetch(layout.module, options.signal);
  const { openPacked } = await import("./packed-layer.ts");
  yield* openPacked(source, layout.module, options);
}

/** Reads on when the beginning is wrong: that content was altered is the better explanation, and known at its end. */
async function checkHeader(stream: AsyncIterable<Uint8Array>, { where, onModule }: ReadOptions): Promise<void> {
  let head: Uint8Array = new Uint8Array(0);
  for await (const chunk of stream) {
    onModule?.(chunk);
    if (head.byteLength < HEADER) head = Buffer.concat([head, chunk.subarray(0, HEADER)]);
    if (onModule === undefined && head.byteLength >= 8 && fileKind(head).kind === "module") return;
  }
  checkMagic(head, where);
}

/**
 * Throws `MODULE_IS_COMPONENT` and `IMAGE_NOT_WASM` (incompatible) for what does not begin as a module does; `head` is at
 * least its first 512 bytes, if it has as many.
 */
export function checkMagic(head: Uint8Array, where: string): void {
  const found = fileKind(head);
  if (found.kind === "module" && head.byteLength >= 8) return;
  if (found.kind === "component") {
    throw new WasmeError(
      "incompatible",
      "MODULE_IS_COMPONENT",
      `${where} holds a WebAssembly component, not a module`,
      {
        hint: "Proxy-Wasm hosts load core modules only: build for wasm32-wasip1 or wasm32-unknown-unknown",
      },
    );
  }
  const what = found.kind === "other" && found.looksLike !== undefined ? ` but ${found.looksLike}` : "";
  throw new WasmeError("incompatible", "IMAGE_NOT_WASM", `${where} does not hold a WebAssembly module${what}`, {
    hint: "the module must begin with 00 61 73 6d 01 00 00 00",
  });
}

async function readConfig(
  source: Fetcher,
  { runtimeConfig: descriptor, runtimeConfigText: text }: WasmLayout,
  options: ReadOptions,
): Promise<RuntimeConfig | undefined> {
  if (descriptor === undefined) {
    if (text === undefined) return undefined;
    if (Buffer.byteLength(text) > MAX_RUNTIME_CONFIG) throw configTooLong(options.where)();
    return parseConfig(Buffer.from(text), options.where);
  }
  if (descriptor.size > MAX_RUNTIME_CONFIG) throw configTooLong(options.where)();
  const stream = source.fetch(descriptor, options.signal);
  return parseConfig(await collect(stream, MAX_RUNTIME_CONFIG, configTooLong(options.where)), options.where);
}

/** A broken config inside an image is not the caller's input: it makes the image unusable. */
function parseConfig(bytes: Uint8Array, where: string): RuntimeConfig {
  try {
    return parseRuntimeConfig(Buffer.from(bytes).toString("utf8"), `${RUNTIME_CONFIG_FILE} in ${where}`).config;
  } catch (error) {
    throw new WasmeError("incompatible", "IMAGE_CONFIG_INVALID", messageOf(error), { cause: error });
  }
}

function moduleTooLarge(where: string): Error {
  const message = `the module of ${where} is larger than ${MAX_IMAGE_MODULE} bytes`;
  return new WasmeError("incompatible", "MODULE_TOO_LARGE", message, {
    hint: "no proxy loads it: strip it and optimise for size",
  });
}

/** The error for a runtime config no real image has. */
export function configTooLong(where: string): () => Error {
  return () => {
    const text = `${RUNTIME_CONFIG_FILE} in ${where} is larger than ${MAX_RUNTIME_CONFIG} bytes`;
    return new WasmeError("incompatible", "IMAGE_CONFIG_INVALID", text);
  };
}

/** No image with a larger module is read: proxies load at most a quarter of it. Bytes. */
export const MAX_IMAGE_MODULE: number = 1024 * 1024 * 1024;

/** Enough to tell a module, and what else it may be. Bytes. */
const HEADER = 512;
