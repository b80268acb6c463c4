import type { Fetcher } from "../domain/content.ts";
import { type Descriptor, REF_NAME } from "../domain/descriptor.ts";
import { dockerArchiveEntry, layoutPathOf } from "../domain/docker-archive.ts";
import { WasmeError } from "../domain/errors.ts";
import { type OciManifest, referencedBy } from "../domain/manifest.ts";
import { isNonDistributable, MediaType } from "../domain/media-types.ts";
import { encodePaxName, encodeTarHeader, TAR_BLOCK, tarPadding } from "../domain/ustar.ts";

/** An image that goes into an archive, under one of its names. */
export interface ArchivedImage {
  /** Full reference. */
  readonly reference: string;
  readonly descriptor: Descriptor;
  readonly manifest: OciManifest;
}

/** What an archive will hold. */
export interface ArchivePlan {
  /** `oci-layout`, `index.json`, and `manifest.json` where Docker can load something of it. */
  readonly files: readonly { readonly name: string; readonly bytes: Uint8Array }[];
  /** Each once, in the order they are written. */
  readonly blobs: readonly Descriptor[];
  /** Of the whole archive. */
  readonly bytes: number;
}

/** The annotation by which containerd, and Docker and podman on it, know the whole name of an image in an archive. */
export const IMAGE_NAME = "io.containerd.image.name";

/**
 * Plans one tar archive that is an OCI image layout. Equal images under equal names give equal bytes, whatever order
 * they are named in: nothing in it depends on time or machine.
 */
export function planArchive(images: readonly ArchivedImage[]): ArchivePlan {
  const sorted = images.toSorted((one, other) => compare(one.reference, other.reference));
  const index = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: sorted.map(indexEntry) };
  const docker = dockerImages(sorted);
  const files = [
    { name: "oci-layout", value: { imageLayoutVersion: "1.0.0" } },
    { name: "index.json", value: index },
    ...(docker.length === 0 ? [] : [{ name: "manifest.json", value: docker }]),
  ].map(({ name, value }) => ({ name, bytes: Buffer.from(JSON.stringify(value)) }));
  const blobs = distinctBlobs(sorted);
  const members = [
    ...files.map(({ name, bytes }) => ({ name, size: bytes.byteLength })),
    ...blobs.map((blob) => ({ name: layoutPathOf(blob), size: blob.size })),
  ];
  const bytes = members.reduce(
    (sum, { name, size }) => sum + header(name, size).byteLength + size + tarPadding(size),
    0,
  );
  return { files, blobs, bytes: bytes + END.byteLength };
}

/** Writes what was planned, content verified on the way. Throws what the source throws: then it is not whole. */
export async function* writeArchive(
  plan: ArchivePlan,
  source: Fetcher,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (const { name, bytes } of plan.files) {
    yield header(name, bytes.byteLength);
    yield bytes;
    yield Buffer.alloc(tarPadding(bytes.byteLength));
  }
  for (const blob of plan.blobs) {
    yield header(layoutPathOf(blob), blob.size);
    yield* source.fetch(blob, signal);
    yield Buffer.alloc(tarPadding(blob.size));
  }
  yield END;
}

function indexEntry({ reference, descriptor }: ArchivedImage): Descriptor {
  const { mediaType, digest, size } = descriptor;
  return { mediaType, digest, size, annotations: { [IMAGE_NAME]: reference, [REF_NAME]: reference } };
}

/** Docker's list has an image once, with all its tags; a name with a digest is none there. */
function dockerImages(images: readonly ArchivedImage[]): readonly object[] {
  const names = new Map<string, string[]>();
  for (const { descriptor, reference } of images) {
    const known = names.get(descriptor.digest) ?? [];
    names.set(descriptor.digest, reference.includes("@") ? known : [...known, reference]);
  }
  const each = new Map(images.map((image) => [image.descriptor.digest, image.manifest]));
  return [...each].flatMap(([digest, manifest]) => dockerArchiveEntry(manifest, names.get(digest) ?? []) ?? []);
}

/** Manifests first, then what they need: a reader that streams knows what comes. */
function distinctBlobs(images: readonly ArchivedImage[]): readonly Descriptor[] {
  const content = images.flatMap(({ descriptor: { mediaType }, manifest }) => {
    const blobs = referencedBy({ kind: "image", mediaType, manifest, bytes: new Uint8Array(0) });
    // What may not be distributed stays where it is; nothing of it may be here at all.
    return blobs.filter((blob) => !isNonDistributable(blob.mediaType));
  });
  const all = [...images.map(({ descriptor }) => descriptor), ...content];
  return [...new Map(all.map((blob) => [blob.digest, blob])).values()];
}

/** What goes before a member's content. Throws `IMAGE_TOO_LARGE` (failed): 8 GiB is the most a tar header can say. */
function header(name: string, size: number): Uint8Array {
  if (size > MAX_MEMBER) {
    throw new WasmeError("failed", "IMAGE_TOO_LARGE", `${name} has ${size} bytes, more than an archive can hold`);
  }
  if (name.length <= MAX_NAME) return encodeTarHeader(name, size);
  return Buffer.concat([encodePaxName(name), encodeTarHeader(name.slice(0, MAX_NAME), size)]);
}

function compare(one: string, other: string): number {
  return one === other ? 0 : one < other ? -1 : 1;
}

const MAX_MEMBER = 0o77777777777;
const MAX_NAME = 100;
/** Two blocks of zeros. */
const END: Uint8Array = new Uint8Array(2 * TAR_BLOCK);
