import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, digestParts } from "../domain/digest.ts";
import { errnoOf, WasmeError } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { TEMPORARY_PREFIX, writeFileAtomic } from "../platform/atomic-file.ts";

/** The files of an OCI image layout (OCI image spec, image-layout.md) and the two of ours beside them. */
export interface LayoutPaths {
  readonly dir: string;
  /** `oci-layout`: the layout's version. */
  readonly marker: string;
  /** `index.json`: what is stored under which reference. */
  readonly index: string;
  /** `index.lock`: there while the index is changed. */
  readonly lock: string;
  /** `ingest/`: blobs being written. On the same file system as `blobs/`, so that a rename moves them. */
  readonly ingest: string;
  readonly blobs: string;
}

/** Works out the paths below the store's folder. */
export function layoutPaths(dir: string): LayoutPaths {
  return {
    dir,
    marker: join(dir, MARKER),
    index: join(dir, "index.json"),
    lock: join(dir, "index.lock"),
    ingest: join(dir, "ingest"),
    blobs: join(dir, "blobs"),
  };
}

/** Where the content with this digest is kept. A {@link Digest} is checked, so the path cannot leave the store. */
export function blobPath(paths: LayoutPaths, digest: Digest): string {
  const { algorithm, hex } = digestParts(digest);
  return join(paths.blobs, algorithm, hex);
}

/**
 * Makes the layout where there is none. Throws `STORE_INVALID` (usage) for a folder that holds something else, and
 * `STORE_UNSUPPORTED` for a layout of another version.
 */
export async function ensureLayout(paths: LayoutPaths): Promise<void> {
  if (await checkLayout(paths)) return;
  const names = await readdir(paths.dir).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  });
  const foreign = names.find((name) => !OWN_NAMES.has(name) && !name.startsWith(TEMPORARY_PREFIX));
  if (foreign !== undefined) {
    throw new WasmeError("usage", "STORE_INVALID", `${paths.dir} is not an image store: it holds ${foreign}`, {
      hint: "name an empty or a new folder",
    });
  }
  await writeFileAtomic(paths.marker, JSON.stringify({ imageLayoutVersion: VERSION }));
}

/**
 * True for a layout of our version, false when there is none (yet). Throws `STORE_UNSUPPORTED` for another version, and
 * `STORE_INVALID` (usage) where a file is in the way.
 */
export async function checkLayout(paths: LayoutPaths): Promise<boolean> {
  let text: string;
  try {
    text = await readFile(paths.marker, "utf8");
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT") return false;
    if (code !== "ENOTDIR") throw storeUnreadable(paths.marker, error);
    throw new WasmeError("usage", "STORE_INVALID", `${paths.dir} is not a folder`, {
      hint: "name the folder of an image store, or a new one",
      cause: error,
    });
  }
  const value = tryParseJson(text);
  const version = isObject(value) ? value["imageLayoutVersion"] : undefined;
  if (version === VERSION) return true;
  throw new WasmeError("failed", "STORE_UNSUPPORTED", `${paths.marker} does not name image layout version ${VERSION}`, {
    hint: "use another folder, or the version of wasme that wrote this one",
  });
}

/** Translates a failed read of one of the store's own files. */
export function storeUnreadable(path: string, error: unknown): Error {
  const code = errnoOf(error);
  const why = code === "EACCES" || code === "EPERM" ? "permission denied" : (code ?? "it cannot be opened");
  return new WasmeError("failed", "STORE_UNREADABLE", `cannot read ${path}: ${why}`, {
    hint: "check the folder of the store: WASME_HOME or --store",
    cause: error,
  });
}

const MARKER = "oci-layout";
const VERSION = "1.0.0";
const OWN_NAMES: ReadonlySet<string> = new Set([
  MARKER,
  "index.json",
  "index.lock",
  "index.lock.takeover",
  "ingest",
  "blobs",
]);
