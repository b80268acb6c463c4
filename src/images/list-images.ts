import type { Digest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { formatReference, parseImageReference, repositoryName } from "../domain/image-reference.ts";
import type { ImageFormat } from "../domain/resolved-image.ts";
import { findModule } from "../domain/wasm-layout.ts";
import type { ImageStore, OkEntry, StoreEntry } from "../store/image-store.ts";
import { legacyFolders, legacyName } from "../store/legacy-store.ts";
import { moduleFacts } from "./stored-image.ts";

/** What a name in the store is, as `list` shows it. */
export type ListedImage = UsableImage | DamagedImage;

interface ListedName {
  /** The whole name, as it stands in the store. */
  readonly reference: string;
  /** `host/repository`. */
  readonly name: string;
  /** The tag, and `@sha256:…` when the name is pinned; empty when there is neither. */
  readonly tag: string;
  /** ISO 8601; `undefined` when another tool wrote the entry. */
  readonly updated: string | undefined;
}

/** An image that can be used. */
interface UsableImage extends ListedName {
  readonly state: "ok";
  readonly manifestDigest: Digest;
  readonly moduleDigest: Digest;
  /** Bytes of the module. */
  readonly moduleSize: number;
  readonly format: ImageFormat;
}

/** An entry that cannot be used; `rm`, or pulling or building it again, mends it. */
interface DamagedImage extends ListedName {
  readonly state: "damaged";
  readonly reason: string;
  readonly manifestDigest: Digest | undefined;
}

/** Asks for the images whose name holds `search`, or for all. */
export interface ListRequest {
  readonly search?: string | undefined;
  /** The old tool's store, looked at only to hint at it. */
  readonly legacyDir?: string | undefined;
}

/** Sorted by name, then time, the oldest first. */
export interface ListResult {
  readonly images: readonly ListedImage[];
  /** How many names of the old tool's store are not in this one. */
  readonly legacyImages: number;
}

/** Lists the local store. Modules are not read, but for packed ones another tool stored. */
export async function listImages(
  deps: { readonly store: Pick<ImageStore, "entries" | "fetch"> },
  request: ListRequest = {},
): Promise<ListResult> {
  const images: ListedImage[] = [];
  const entries = await deps.store.entries();
  for (const entry of entries) {
    if (request.search !== undefined && !entry.reference.includes(request.search)) continue;
    images.push(await describeEntry(deps.store, entry));
  }
  const names = new Set(entries.map((entry) => entry.reference));
  const legacyImages = request.legacyDir === undefined ? 0 : await countLegacy(request.legacyDir, names);
  return { images: images.toSorted(byNameThenTime), legacyImages };
}

/** This only decides about a hint: an unreadable old store is none. */
async function countLegacy(dir: string, known: ReadonlySet<string>): Promise<number> {
  const folders = (await legacyFolders(dir).catch(() => undefined)) ?? [];
  const names = await Promise.all(folders.map(legacyName));
  return names.filter((name) => name !== undefined && !known.has(name)).length;
}

async function describeEntry(store: Pick<ImageStore, "fetch">, entry: StoreEntry): Promise<ListedImage> {
  const names = { reference: entry.reference, ...splitName(entry.reference), updated: entry.updated };
  const manifestDigest = entry.descriptor?.digest;
  if (entry.state === "damaged") return { ...names, state: "damaged", reason: entry.reason, manifestDigest };
  try {
    return { ...names, ...(await describeImage(store, entry)) };
  } catch (error) {
    if (error instanceof WasmeError) return { ...names, state: "damaged", reason: error.message, manifestDigest };
    throw error;
  }
}

async function describeImage(
  store: Pick<ImageStore, "fetch">,
  entry: OkEntry,
): Promise<Omit<UsableImage, keyof ListedName>> {
  if (entry.manifest.kind === "index") {
    throw new WasmeError("incompatible", "LAYOUT_UNKNOWN", "it is an image index, not an image");
  }
  const { manifest } = entry.manifest;
  const layout = findModule(manifest, "it");
  const { module } =
    layout.packing === "raw"
      ? { module: layout.module }
      : await moduleFacts(store, { descriptor: entry.descriptor, manifest }, "it");
  return {
    state: "ok",
    manifestDigest: entry.descriptor.digest,
    moduleDigest: module.digest,
    moduleSize: module.size,
    format: layout.format,
  };
}

/** Name and tag of a full reference; what another tool named in its own way is shown as it is. */
function splitName(reference: string): Pick<ListedName, "name" | "tag"> {
  try {
    const parsed = parseImageReference(reference);
    if (formatReference(parsed) !== reference) return { name: reference, tag: "" };
    const pin = parsed.digest === undefined ? "" : `@${parsed.digest}`;
    return { name: repositoryName(parsed), tag: `${parsed.tag ?? ""}${pin}` };
  } catch {
    return { name: reference, tag: "" };
  }
}

function byNameThenTime(one: ListedImage, other: ListedImage): number {
  const keys = [
    [one.name, other.name],
    [one.updated ?? "", other.updated ?? ""],
    [one.tag, other.tag],
  ] as const;
  for (const [a, b] of keys) if (a !== b) return a < b ? -1 : 1;
  return 0;
}
