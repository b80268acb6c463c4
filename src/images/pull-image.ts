import { bytesSource, type Pusher } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import type { Digest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { type EventSink, ignoreEvents } from "../domain/events.ts";
import { formatReference, type ImageReference, repositoryName, withDigest } from "../domain/image-reference.ts";
import { referencedBy } from "../domain/manifest.ts";
import { isNonDistributable } from "../domain/media-types.ts";
import type { ImageFormat } from "../domain/resolved-image.ts";
import type { WasmLayout } from "../domain/wasm-layout.ts";
import type { ImageStore } from "../store/image-store.ts";
import { copyContent } from "./copy-content.ts";
import { findLayout, readImage } from "./read-image.ts";
import { fetchImage, type Remote, type RemoteImage, type RemoteRepository } from "./remote.ts";
import { moduleNotes, noteRegistry, registryNote } from "./stored-image.ts";
import { bytesPlaced, countRequests, telling, type TransferredBlob, transferredBlobs } from "./transferred.ts";

/** The image to fetch. */
export interface PullRequest {
  readonly reference: ImageReference;
}

/** What is in the store now. */
export interface PullResult {
  /** The name it has there: as asked for, but of an index that was named by its digest the image's. */
  readonly reference: string;
  readonly manifestDigest: Digest;
  readonly moduleDigest: Digest;
  /** Bytes of the module. */
  readonly moduleSize: number;
  readonly format: ImageFormat;
  /** True when the store had it already, every byte intact. */
  readonly unchanged: boolean;
  /** Every blob of the image, each digest once: `written` was downloaded, `present` was in the store. */
  readonly blobs: readonly TransferredBlob[];
  /** Bytes of the blobs that were downloaded. */
  readonly downloadedBytes: number;
  /** Bytes of the blobs that were in the store. */
  readonly skippedBytes: number;
  /** Round trips, tokens and repeated tries included; absent when the registry client does not count. */
  readonly requests?: number;
}

/** What pulling needs. */
export interface PullDeps {
  readonly store: Pick<ImageStore, "fetch" | "push" | "pushVerified" | "resolve" | "tag" | "note">;
  readonly registry: Remote;
  readonly signal?: AbortSignal;
}

/**
 * Fetches an image of any known layout into the store, as it is and under the name asked for. What is there already is
 * verified, not fetched; of an index the image proxies take is fetched, else one for a wasm platform. Nothing is named
 * before it was all verified. Throws errors of the registry, the layout (incompatible) and the disk.
 */
export async function pullImage(
  deps: PullDeps,
  request: PullRequest,
  events: EventSink = ignoreEvents,
): Promise<PullResult> {
  const asked = formatReference(request.reference);
  events({ type: "milestone", message: `Pulling ${asked}` });
  const requests = countRequests(deps.registry);
  const repository = deps.registry.repository(request.reference);
  const image = await fetchImage(repository, request.reference, deps.signal);
  const layout = findLayout(image.manifest, asked);
  refuseTooLarge(asked, image);
  warn(asked, { image, layout }, events);
  const reference = formatReference(nameOf(request.reference, image, events));
  const blobs = await store(deps, { repository, image }, events);
  const known = await deps.store.resolve(reference).catch(absentWhenDamaged);
  const contents = await readImage(deps.store, image.manifest, { where: reference, signal: deps.signal });
  const fetched = blobs.some(({ placement }) => placement === "written");
  const unchanged = !fetched && known?.digest === image.descriptor.digest;
  if (unchanged) {
    await noteRegistry(deps.store, { name: reference, descriptor: known }, request.reference);
  } else {
    const notes = { ...moduleNotes(contents), ...registryNote(repositoryName(request.reference)) };
    await name(deps, { repository, image, reference, notes }, events);
  }
  return {
    reference,
    manifestDigest: image.descriptor.digest,
    moduleDigest: contents.module.digest,
    moduleSize: contents.module.size,
    format: layout.format,
    unchanged,
    blobs,
    downloadedBytes: bytesPlaced(blobs, "written"),
    skippedBytes: bytesPlaced(blobs, "present"),
    ...requests(),
  };
}

/** The name as asked for; where its digest is that of an index, that of the image: a name must not lie about its digest. */
function nameOf(asked: ImageReference, { index, descriptor }: RemoteImage, events: EventSink): ImageReference {
  if (asked.digest === undefined || index === undefined) return asked;
  const named = withDigest(asked, descriptor.digest);
  const message = `${formatReference(asked)} is an index; its image is stored as ${formatReference(named)}`;
  events({ type: "milestone", message });
  return named;
}

/** What works here, but not in proxies, or differently. */
function warn(
  reference: string,
  { image, layout }: { readonly image: RemoteImage; readonly layout: WasmLayout },
  events: EventSink,
): void {
  if (!image.forProxies) {
    const message = `${reference} is an index without an image for linux/amd64: taken is the one for wasm, which Istio does not find`;
    events({ type: "warning", message, hint: "push a single image, or deploy it by its digest" });
  }
  if (!layout.ambiguous) return;
  const message = `${reference} holds more than one module: Istio may run another one than wasme reads`;
  events({ type: "warning", message });
}

interface Pulled {
  readonly repository: RemoteRepository;
  readonly image: RemoteImage;
}

/** Stores blobs, then the manifest; tells what became of each blob. */
async function store(
  deps: PullDeps,
  { repository, image }: Pulled,
  events: EventSink,
): Promise<readonly TransferredBlob[]> {
  const { descriptor, bytes } = image;
  const blobs = blobsOf(image);
  const target: Pusher = { push: (each, body, signal) => deps.store.pushVerified(each, body, signal) };
  const copied = await copyContent(repository, telling(target, "download", events), blobs, deps.signal);
  for (const { descriptor: blob, placement } of copied) {
    if (placement === "present") events({ type: "blob.skipped", digest: blob.digest, reason: "already in the store" });
  }
  await deps.store.push(descriptor, bytesSource(bytes), deps.signal);
  return transferredBlobs(copied);
}

/** Before any of it is fetched: a manifest may claim any size, and its registry send as much until the disk is full. */
function refuseTooLarge(reference: string, image: RemoteImage): void {
  const sizes = new Map(blobsOf(image).map(({ digest, size }) => [digest, size]));
  if ([...sizes.values()].reduce((sum, size) => sum + size, 0) <= MAX_IMAGE) return;
  const message = `${reference} is said to hold more than ${MAX_IMAGE} bytes`;
  throw new WasmeError("incompatible", "IMAGE_TOO_LARGE", message, { hint: "no image of a filter is that large" });
}

/** All blobs of an image together: a module of the largest size that is read, and more beside it than any has. Bytes. */
const MAX_IMAGE = 4 * 1024 * 1024 * 1024;

function blobsOf({ descriptor: { mediaType }, manifest, bytes }: RemoteImage): readonly Descriptor[] {
  return referencedBy({ kind: "image", mediaType, manifest, bytes }).filter(mayMove);
}

/** Where else such a layer may be had, its `urls`, is never looked at: a manifest must not choose whom we ask. */
function mayMove({ mediaType }: Descriptor): boolean {
  return !isNonDistributable(mediaType);
}

/** Names the image. A clean-up by somebody else may have taken a blob that was there before: then it is fetched. */
async function name(
  deps: PullDeps,
  pulled: Pulled & { readonly reference: string; readonly notes: Readonly<Record<string, string>> },
  events: EventSink,
): Promise<void> {
  const { descriptor } = pulled.image;
  const named: Descriptor = { ...descriptor, annotations: pulled.notes };
  try {
    await deps.store.tag(pulled.reference, named, deps.signal);
  } catch (error) {
    if (!(error instanceof WasmeError) || !CLEANED_UP.has(error.code)) throw error;
    await store(deps, pulled, events);
    await deps.store.tag(pulled.reference, named, deps.signal);
  }
}

/** A damaged entry of that name is about to be replaced. */
function absentWhenDamaged(error: unknown): undefined {
  if (error instanceof WasmeError && error.code === "STORE_DAMAGED") return undefined;
  throw error;
}

const CLEANED_UP: ReadonlySet<string> = new Set(["CONTENT_MISSING", "BLOB_MISSING"]);
