import { readFile } from "node:fs/promises";
import { type Descriptor, REF_NAME } from "../domain/descriptor.ts";
import { errnoOf, WasmeError } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { parseDescriptor } from "../domain/manifest.ts";
import { MediaType } from "../domain/media-types.ts";
import { makeDirectory, writeError, writeFileAtomic } from "../platform/atomic-file.ts";
import { type LockOptions, type StillHeld, withFileLock } from "../platform/file-lock.ts";
import { ensureLayout, type LayoutPaths, storeUnreadable } from "./layout.ts";

/** The annotation of an index entry that says when it was last stored or tagged, ISO 8601. */
export const UPDATED = "wasme.io/updated";

/** One entry of `index.json`, as it stands there: what we do not understand is carried along unchanged. */
export interface IndexEntry {
  readonly raw: unknown;
  /** `undefined` when the entry is not a valid descriptor; `fault` says why. */
  readonly descriptor: Descriptor | undefined;
  readonly fault: string | undefined;
  /** The full reference, `""` for an entry without a name. */
  readonly reference: string;
}

/** The index with whatever else stands in it, so that a rewrite loses nothing another tool put there. */
export interface StoreIndex {
  readonly raw: Readonly<Record<string, unknown>>;
  readonly entries: readonly IndexEntry[];
}

/** Reads `index.json`; a missing one is an empty index. Throws `STORE_DAMAGED` when it is not an index at all. */
export async function readIndex(paths: LayoutPaths): Promise<StoreIndex> {
  let text: string;
  try {
    text = await readFile(paths.index, "utf8");
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT") return { raw: EMPTY, entries: [] };
    throw storeUnreadable(paths.index, error);
  }
  const raw = tryParseJson(text);
  const manifests = isObject(raw) ? raw["manifests"] : undefined;
  if (!isObject(raw) || !Array.isArray(manifests)) {
    throw new WasmeError("failed", "STORE_DAMAGED", `${paths.index} is not an image index`, {
      hint: "move it away and pull or build the images again; the blobs beside it are kept",
    });
  }
  return { raw, entries: manifests.map(readEntry) };
}

/** Makes the entry that names `descriptor` by `reference`. */
export function indexEntry(reference: string, descriptor: Descriptor, updated: Date): IndexEntry {
  const annotations = { ...descriptor.annotations, [REF_NAME]: reference, [UPDATED]: updated.toISOString() };
  const named = { ...descriptor, annotations };
  return { raw: named, descriptor: named, fault: undefined, reference };
}

/** The same entry with more annotations; whatever else stands in it is kept. */
export function withNotes(entry: IndexEntry, notes: Readonly<Record<string, string>>): IndexEntry {
  const { raw, descriptor } = entry;
  if (!isObject(raw) || descriptor === undefined) return entry;
  const annotations = { ...descriptor.annotations, ...notes };
  return { ...entry, raw: { ...raw, annotations }, descriptor: { ...descriptor, annotations } };
}

/**
 * Changes the index as one step, under the lock: reads it again, lets `edit` make the new entries (or `undefined` for
 * no change), and replaces the file. Makes the layout first where there is none.
 */
export async function changeIndex(
  paths: LayoutPaths,
  edit: (entries: readonly IndexEntry[]) => Promise<readonly IndexEntry[] | undefined>,
  options: LockOptions = {},
): Promise<void> {
  const change = async ({ raw, entries }: StoreIndex, stillHeld: StillHeld): Promise<void> => {
    const edited = await edit(entries);
    if (edited === undefined) return;
    const text = JSON.stringify({ ...raw, manifests: edited.map((entry) => entry.raw) });
    await stillHeld();
    await writeFileAtomic(paths.index, text);
  };
  await withIndex(paths, change, options);
}

/** Does something while nobody else can change the index. Makes the layout first where there is none. */
export async function withIndex<T>(
  paths: LayoutPaths,
  work: (index: StoreIndex, stillHeld: StillHeld) => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  await prepare(paths);
  return await withFileLock(paths.lock, async (stillHeld) => await work(await readIndex(paths), stillHeld), options);
}

async function prepare(paths: LayoutPaths): Promise<void> {
  await ensureLayout(paths);
  try {
    // Readers such as skopeo expect the folder even when nothing is stored.
    await makeDirectory(paths.blobs);
  } catch (error) {
    throw writeError(error, paths.dir);
  }
}

function readEntry(raw: unknown): IndexEntry {
  const annotations = isObject(raw) && isObject(raw["annotations"]) ? raw["annotations"] : {};
  const name = annotations[REF_NAME];
  const reference = typeof name === "string" ? name : "";
  try {
    return {
      raw,
      descriptor: parseDescriptor(raw, reference === "" ? "manifests" : reference),
      fault: undefined,
      reference,
    };
  } catch (error) {
    if (!(error instanceof WasmeError)) throw error;
    return { raw, descriptor: undefined, fault: error.message, reference };
  }
}

const EMPTY: Readonly<Record<string, unknown>> = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] };
