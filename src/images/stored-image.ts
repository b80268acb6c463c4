import type { Descriptor } from "../domain/descriptor.ts";
import { isDigest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import {
  formatReference,
  type ImageReference,
  parseImageReference,
  repositoryName,
} from "../domain/image-reference.ts";
import type { OciManifest } from "../domain/manifest.ts";
import type { ImageStore } from "../store/image-store.ts";
import { type ImageContents, readImage } from "./read-image.ts";

/** An image found in the store. */
export interface StoredImage {
  /** The name it was found under, as it stands in the store. */
  readonly name: string;
  readonly descriptor: Descriptor;
  readonly manifest: OciManifest;
  /** Exactly as stored. */
  readonly bytes: Uint8Array;
}

/** What the store needs to offer for looking an image up. */
export type LookupStore = Pick<ImageStore, "resolve" | "entries" | "manifest">;

/**
 * Finds what a reference means in the store; with a digest that decides, whatever name of the same repository has it.
 * Throws `IMAGE_NOT_FOUND` (not found), and what reading a damaged store throws.
 */
export async function findStoredImage(store: LookupStore, reference: ImageReference): Promise<StoredImage> {
  const name = formatReference(reference);
  const found = await lookUp(store, reference, name);
  if (found === undefined) {
    throw new WasmeError("not-found", "IMAGE_NOT_FOUND", `no image ${name} in the local store`, {
      hint: 'see "wasme list"; "wasme pull" fetches an image, "wasme build" makes one',
    });
  }
  const parsed = await store.manifest(found.descriptor);
  if (parsed.kind === "index") {
    throw new WasmeError("incompatible", "LAYOUT_UNKNOWN", `${name} is an image index in the local store`, {
      hint: "pull it with wasme, which takes the image for linux/amd64",
    });
  }
  return { name: found.name, descriptor: found.descriptor, manifest: parsed.manifest, bytes: parsed.bytes };
}

/** Digest and size of the module, kept with a name so that `list` need not unpack a packed image. */
export function moduleNotes(contents: Pick<ImageContents, "module">): Readonly<Record<string, string>> {
  return { [MODULE_DIGEST]: contents.module.digest, [MODULE_SIZE]: String(contents.module.size) };
}

/** The note of a name that says which repository (`host/team/filter`) is known to have its content. */
export function registryNote(repository: string): Readonly<Record<string, string>> {
  return { [REGISTRY]: repository };
}

/** The repository that is known to have the content of a name. */
export function notedRegistry(descriptor: Descriptor): string | undefined {
  return descriptor.annotations?.[REGISTRY];
}

/**
 * Notes that the repository of `reference` has what a name stands for, unless that is noted. It spares uploads later and
 * is no part of the work at hand: a store that cannot be written does not make that fail.
 */
export async function noteRegistry(
  store: Pick<ImageStore, "note">,
  { name, descriptor }: Pick<StoredImage, "name" | "descriptor">,
  reference: ImageReference,
): Promise<void> {
  const repository = repositoryName(reference);
  if (notedRegistry(descriptor) === repository) return;
  await store.note(name, descriptor.digest, registryNote(repository)).catch(() => undefined);
}

/** A descriptor as another name may have it: without what is only true of the name it had. */
export function withoutRegistryNote(descriptor: Descriptor): Descriptor {
  const { [REGISTRY]: _, ...annotations } = descriptor.annotations ?? {};
  return { ...descriptor, annotations };
}

/** The module's digest and size: noted with the name, else in the manifest, else found by unpacking. */
export async function moduleFacts(
  store: Pick<ImageStore, "fetch">,
  image: Pick<StoredImage, "descriptor" | "manifest">,
  where: string,
): Promise<Pick<ImageContents, "module">> {
  const { [MODULE_DIGEST]: digest = "", [MODULE_SIZE]: size = "" } = image.descriptor.annotations ?? {};
  if (isDigest(digest) && /^\d{1,15}$/u.test(size)) return { module: { digest, size: Number(size) } };
  return await readImage(store, image.manifest, { where });
}

async function lookUp(
  store: LookupStore,
  reference: ImageReference,
  name: string,
): Promise<{ readonly name: string; readonly descriptor: Descriptor } | undefined> {
  const exact = await store.resolve(name);
  if (exact !== undefined && (reference.digest === undefined || exact.digest === reference.digest)) {
    return { name, descriptor: exact };
  }
  if (reference.digest === undefined) return undefined;
  for (const entry of await store.entries()) {
    if (entry.descriptor?.digest !== reference.digest) continue;
    if (sameRepository(entry.reference, reference)) return { name: entry.reference, descriptor: entry.descriptor };
  }
  return undefined;
}

function sameRepository(stored: string, reference: ImageReference): boolean {
  try {
    return repositoryName(parseImageReference(stored)) === repositoryName(reference);
  } catch {
    return false;
  }
}

const MODULE_DIGEST = "wasme.io/module-digest";
const MODULE_SIZE = "wasme.io/module-size";
const REGISTRY = "wasme.io/registry";
