import { type Descriptor, REF_NAME } from "../domain/descriptor.ts";
import { type Digest, parseDigest } from "../domain/digest.ts";
import { usageError, WasmeError } from "../domain/errors.ts";
import { type EventSink, ignoreEvents } from "../domain/events.ts";
import { formatReference, type ImageReference, parseImageReference, withDigest } from "../domain/image-reference.ts";
import { referencedBy } from "../domain/manifest.ts";
import { isNonDistributable } from "../domain/media-types.ts";
import type { ImageFormat } from "../domain/resolved-image.ts";
import type { ImageStore } from "../store/image-store.ts";
import { IMAGE_NAME } from "./layout-archive.ts";
import { type ReadArchive, readArchive } from "./read-archive.ts";
import { readImage } from "./read-image.ts";
import { fetchImage } from "./remote.ts";
import { moduleNotes } from "./stored-image.ts";
import { requireTag } from "./tag-image.ts";

/** The archive to load. */
export interface LoadRequest {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** What messages call it: a path as typed, or `stdin`. */
  readonly title: string;
  /** Names the one image of the archive, whatever it is called there. */
  readonly reference?: ImageReference | undefined;
}

/** An image that is in the store now. */
export interface LoadedImage {
  readonly reference: string;
  readonly manifestDigest: Digest;
  readonly moduleDigest: Digest;
  /** Bytes of the module. */
  readonly moduleSize: number;
  readonly format: ImageFormat;
  /** True when the store had exactly this under the name. */
  readonly unchanged: boolean;
  /** What had the name before, when that was another image. */
  readonly replaced?: Digest;
}

/** What was loaded. */
export interface LoadResult {
  readonly images: readonly LoadedImage[];
  /** Blobs the archive holds, and their bytes. */
  readonly blobs: number;
  readonly bytes: number;
}

/** What loading needs. */
export interface LoadDeps {
  readonly store: Pick<ImageStore, "push" | "fetch" | "verify" | "sizeOf" | "manifest" | "resolve" | "tagAll">;
  readonly signal?: AbortSignal;
}

/**
 * Takes the images of an archive into the store, byte for byte, under the names they have in it; of an index the image
 * proxies take. Everything is checked before the first is named, and all are named in one step: after a failure there
 * is nothing but unnamed, intact blobs, which a clean-up removes.
 * Throws `ARCHIVE_INVALID`, `ARCHIVE_INCOMPLETE` (failed), `ARCHIVE_NAMES` (usage) where it takes a name to load it, errors of
 * the layout (incompatible) and of the disk.
 */
export async function loadImages(
  deps: LoadDeps,
  request: LoadRequest,
  events: EventSink = ignoreEvents,
): Promise<LoadResult> {
  const { title, chunks, reference } = request;
  if (reference !== undefined) requireTag(reference);
  events({ type: "milestone", message: `Loading ${title}` });
  const archive = await readArchive(deps.store, { chunks, title, signal: deps.signal });
  const images: NamedImage[] = [];
  // A small archive can give a thousand names to one image that takes long to read: it is read once.
  const known = new Map<Digest, NamedImage>();
  for (const named of namesOf(archive, request, events)) {
    requireOwnDigest(named, title);
    const { digest } = named.descriptor;
    const image = known.get(digest) ?? (await checkImage(deps, archive, { ...named, title }));
    known.set(digest, image);
    images.push({ ...image, reference: formatReference(named.reference) });
  }
  const loaded: LoadedImage[] = [];
  for (const image of images) loaded.push(await describe(deps.store, image));
  const changed = images.filter((_, at) => loaded[at]?.unchanged === false);
  await deps.store.tagAll(changed, deps.signal);
  const bytes = [...archive.blobs.values()].reduce((sum, size) => sum + size, 0);
  return { images: loaded, blobs: archive.blobs.size, bytes };
}

interface Named {
  readonly reference: ImageReference;
  readonly descriptor: Descriptor;
}

/** An image that may be named: all of it is there, every byte checked. */
interface NamedImage {
  readonly reference: string;
  /** With our notes. */
  readonly descriptor: Descriptor;
  readonly facts: Pick<LoadedImage, "moduleDigest" | "moduleSize" | "format">;
}

/** Which image gets which name; the last of two that want the same one wins, as in an index. */
function namesOf({ index }: ReadArchive, request: LoadRequest, events: EventSink): readonly Named[] {
  const { title, reference } = request;
  const digests = new Set(index.manifests.map(({ digest }) => digest));
  const [only] = index.manifests;
  if (reference !== undefined) {
    if (digests.size === 1 && only !== undefined) return [{ reference, descriptor: only }];
    throw usageError("ARCHIVE_NAMES", `${title} holds ${digests.size} images: --tag can name only one`, {
      hint: "load it without --tag, then use wasme tag",
    });
  }
  const found = new Map<string, Named>();
  for (const descriptor of index.manifests) {
    const name = fullName(descriptor);
    if (name !== undefined) found.set(formatReference(name), { reference: name, descriptor });
    else tellNameless(descriptor, title, events);
  }
  if (found.size > 0) return [...found.values()];
  throw usageError("ARCHIVE_NAMES", `no image in ${title} has a full name`, {
    hint:
      digests.size === 1 ? "give it one: --tag registry.example.com/team/filter:v1" : "save it again with full names",
  });
}

/** The whole name of an image in an archive; tools may write just its tag (`v1`), which is not enough to know it by. */
function fullName({ annotations = {} }: Descriptor): ImageReference | undefined {
  for (const text of [annotations[IMAGE_NAME], annotations[REF_NAME]]) {
    if (text === undefined || !/[/:]/u.test(text)) continue;
    try {
      return parseImageReference(text);
    } catch (error) {
      if (!(error instanceof WasmeError)) throw error;
    }
  }
  return undefined;
}

function tellNameless({ digest, annotations }: Descriptor, title: string, events: EventSink): void {
  const name = annotations?.[REF_NAME];
  const what = name === undefined ? "without a name" : `named only ${JSON.stringify(name)}`;
  events({ type: "warning", message: `${digest} in ${title} is ${what} and is left out` });
}

/** A name must not lie about its digest. */
function requireOwnDigest({ reference, descriptor }: Named, title: string): void {
  if (reference.digest === undefined || reference.digest === descriptor.digest) return;
  const message = `${title} calls ${descriptor.digest} by the name ${formatReference(reference)}`;
  throw new WasmeError("failed", "ARCHIVE_INVALID", message);
}

/** Makes sure that an image is whole, and one that proxies can use. */
async function checkImage(
  deps: LoadDeps,
  archive: ReadArchive,
  { reference, descriptor, title }: Named & { readonly title: string },
): Promise<NamedImage> {
  const { store, signal } = deps;
  const where = formatReference(reference);
  const need = async (blob: Descriptor): Promise<void> => {
    const size = archive.blobs.get(blob.digest);
    // The store may have what the archive leaves out; but it was not read on this occasion.
    if (size === undefined ? await store.verify(blob, signal) : size === blob.size) return;
    const message = `${title} lacks ${blob.digest} (${blob.size} bytes), which ${where} needs`;
    throw new WasmeError("failed", "ARCHIVE_INCOMPLETE", message, { hint: "save the image again" });
  };
  await need(descriptor);
  const manifests: ReadRepository = {
    fetchManifest: async (target) => {
      const digest = parseDigest(target);
      const size = archive.blobs.get(digest) ?? (await store.sizeOf(digest)) ?? 0;
      const found = { mediaType: digest === descriptor.digest ? descriptor.mediaType : "", digest, size };
      await need(found);
      return { descriptor: found, bytes: (await store.manifest(found)).bytes };
    },
  };
  const image = await fetchImage(manifests, withDigest(reference, descriptor.digest), signal);
  const { mediaType, digest, size } = image.descriptor;
  for (const blob of referencedBy({ kind: "image", mediaType, manifest: image.manifest, bytes: image.bytes })) {
    if (!isNonDistributable(blob.mediaType)) await need(blob);
  }
  const contents = await readImage(store, image.manifest, { where, signal });
  return {
    reference: where,
    descriptor: { mediaType, digest, size, annotations: moduleNotes(contents) },
    facts: {
      moduleDigest: contents.module.digest,
      moduleSize: contents.module.size,
      format: contents.layout.format,
    },
  };
}

type ReadRepository = Parameters<typeof fetchImage>[0];

async function describe(store: LoadDeps["store"], image: NamedImage): Promise<LoadedImage> {
  const { reference, descriptor, facts } = image;
  // A damaged entry of that name is about to be replaced.
  const known = await store.resolve(reference).catch((error: unknown) => {
    if (error instanceof WasmeError && error.code === "STORE_DAMAGED") return undefined;
    throw error;
  });
  const unchanged = known?.digest === descriptor.digest;
  return {
    reference,
    manifestDigest: descriptor.digest,
    ...facts,
    unchanged,
    ...(known === undefined || unchanged ? {} : { replaced: known.digest }),
  };
}
