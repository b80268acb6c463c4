import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Descriptor } from "../domain/descriptor.ts";
import { errnoOf, WasmeError } from "../domain/errors.ts";
import { formatReference, type ImageReference, parseImageReference } from "../domain/image-reference.ts";
import { tryParseJson } from "../domain/json.ts";
import { parseDescriptor } from "../domain/manifest.ts";
import {
  formatRuntimeConfig,
  MAX_RUNTIME_CONFIG,
  parseRuntimeConfig,
  type RuntimeConfig,
} from "../domain/runtime-config.ts";
import { readAtMost } from "../platform/read-file.ts";
import { storeUnreadable } from "./layout.ts";

/** An image as the old tool kept it: a folder named by the MD5 of its reference, with four files in it. */
export interface LegacyImage {
  readonly reference: ImageReference;
  /** What the module must be; its bytes were not read. */
  readonly module: Pick<Descriptor, "digest" | "size">;
  readonly moduleFile: string;
  readonly runtimeConfig: RuntimeConfig;
  /** The config blob the old tool would have pushed. */
  readonly configBytes: Uint8Array;
  /** When the image was stored there. */
  readonly updated: Date;
}

/**
 * The old tool's image folders in `dir`, sorted; whatever else is there is left alone. `undefined` when there is no such
 * folder. Throws `STORE_UNREADABLE` (failed).
 */
export async function legacyFolders(dir: string): Promise<readonly string[] | undefined> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory() && FOLDER.test(entry.name));
    return folders.map((entry) => join(dir, entry.name)).toSorted();
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw storeUnreadable(dir, error);
  }
}

/** The reference an image folder is for, as it stands there; `undefined` when it does not say. */
export async function legacyName(folder: string): Promise<string | undefined> {
  const bytes = await readAtMost(join(folder, "image_ref"), MAX_NAME).catch(() => undefined);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString("utf8").trim();
}

/**
 * Reads an image folder but for its module. Throws `LEGACY_IMAGE_DAMAGED` (failed) when a file is missing or is not what
 * it should be.
 */
export async function readLegacyImage(folder: string): Promise<LegacyImage> {
  const name = Buffer.from(await readPart(folder, "image_ref", MAX_NAME))
    .toString("utf8")
    .trim();
  const reference = tryTo(folder, "image_ref is not a reference", () => parseImageReference(name));
  if (createHash("md5").update(name).digest("hex") !== folder.slice(-32)) {
    throw damaged(folder, `it is not the folder of ${formatReference(reference)}`);
  }
  const descriptor = Buffer.from(await readPart(folder, "descriptor.json", MAX_DESCRIPTOR)).toString("utf8");
  const module = tryTo(folder, "descriptor.json is broken", () => parseDescriptor(tryParseJson(descriptor), "module"));
  const moduleFile = join(folder, "filter.wasm");
  const found = await stat(moduleFile).catch((error: unknown) => {
    throw damaged(folder, `filter.wasm: ${errnoOf(error) ?? "it cannot be read"}`, error);
  });
  if (found.size !== module.size) {
    throw damaged(folder, `filter.wasm has ${found.size} instead of ${module.size} bytes`);
  }
  return { reference, module, moduleFile, ...(await readConfig(folder)), updated: found.mtime };
}

/**
 * The old tool read the file and wrote it anew for every push; so is it done here, and the digest is the same. A file
 * with keys it would have refused is kept byte for byte.
 */
async function readConfig(folder: string): Promise<Pick<LegacyImage, "runtimeConfig" | "configBytes">> {
  const bytes = await readPart(folder, "runtime-config.json", MAX_RUNTIME_CONFIG);
  const text = Buffer.from(bytes).toString("utf8");
  const { config, unknownKeys } = tryTo(folder, "runtime-config.json is broken", () =>
    parseRuntimeConfig(text, "runtime-config.json"),
  );
  return { runtimeConfig: config, configBytes: unknownKeys.length === 0 ? formatRuntimeConfig(config) : bytes };
}

async function readPart(folder: string, file: string, limit: number): Promise<Uint8Array> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readAtMost(join(folder, file), limit);
  } catch (error) {
    throw damaged(folder, `${file}: ${errnoOf(error) === "ENOENT" ? "it is missing" : "it cannot be read"}`, error);
  }
  if (bytes === undefined) throw damaged(folder, `${file} has more than ${limit} bytes`);
  return bytes;
}

function tryTo<T>(folder: string, failing: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof WasmeError) throw damaged(folder, failing, error);
    throw error;
  }
}

/** The error for an image folder of the old tool that cannot be used. */
export function damaged(folder: string, why: string, cause?: unknown): WasmeError {
  return new WasmeError("failed", "LEGACY_IMAGE_DAMAGED", `${folder}: ${why}`, {
    hint: "pull or build that image again",
    cause,
  });
}

const FOLDER = /^[a-f0-9]{32}$/u;
const MAX_NAME = 4096;
const MAX_DESCRIPTOR = 64 * 1024;
