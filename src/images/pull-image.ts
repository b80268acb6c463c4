import { bytesSource, type Pusher } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import type { Digest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { type EventSink, ignoreEvents } from "../domain/events.ts";
import { formatReference, type ImageReference } from "../domain/image-reference.ts";
import { referencedBy } from "../domain/manifest.ts";
import type { ImageFormat } from "../domain/resolved-image.ts";
import { findModule } from "../domain/wasm-layout.ts";
import type { ImageStore } from "../store/image-store.ts";
import { copyContent } from "./copy-content.ts";
import { readImage } from "./read-image.ts";
import { fetchImage, type Remote, type RemoteImage, type RemoteRepository } from "./remote.ts";
import { moduleNotes } from "./stored-image.ts";

/** The image to fetch. */
export interface PullRequest {
  readonly reference: ImageReference;
}

/** What is in the store now. */
export interface PullResult {
  readonly reference: string;
  readonly manifestDigest: Digest;
  readonly moduleDigest: Digest;
  /** Bytes of the module. */
  readonly moduleSize: number;
  readonly format: ImageFormat;
  /** True when the store had it already, every byte intact. */
  readonly unchanged: boolean;
}

/** What pulling needs. */
export interface PullDeps {
  readonly store: Pick<ImageStore, "fetch" | "push" | "pushVerified" | "resolve" | "tag">;
  readonly registry: Remote;
  readonly signal?: AbortSignal;
}

/**
 * Fetches an image of any known layout into the store, as it is and under the name asked for. What is there already is
 * verified, not fetched; of an index the image proxies take is fetched. Nothing is named before it was all verified.
 * Throws errors of the registry, the layout (incompatible) and the disk.
 */
export async function pullImage(
  deps: PullDeps,
  request: PullRequest,
  events: EventSink = ignoreEvents,
): Promise<PullResult> {
  const reference = formatReference(request.reference);
  events({ type: "milestone", message: `Pulling ${reference}` });
  const repository = deps.registry.repository(request.reference);
  const image = await fetchImage(repository, request.reference, deps.signal);
  const layout = findModule(image.manifest, reference);
  if (layout.ambiguous) {
    const message = `${reference} holds a module twice; Istio runs the one in its last layer, which may be another`;
    events({ type: "warning", message });
  }
  const fetched = await store(deps, { repository, image, reference }, events);
  const known = await deps.store.resolve(reference).catch(absentWhenDamaged);
  const contents = await readImage(deps.store, image.manifest, { where: reference, signal: deps.signal });
  const unchanged = !fetched && known?.digest === image.descriptor.digest;
  if (!unchanged) await name(deps, { repository, image, reference, notes: moduleNotes(contents) }, events);
  return {
    reference,
    manifestDigest: image.descriptor.digest,
    moduleDigest: contents.module.digest,
    moduleSize: contents.module.size,
    format: layout.format,
    unchanged,
  };
}

interface Pulled {
  readonly repository: RemoteRepository;
  readonly image: RemoteImage;
  readonly reference: string;
}

/** Stores blobs, then the manifest; tells whether anything had to be fetched. */
async function store(deps: PullDeps, { repository, image }: Pulled, events: EventSink): Promise<boolean> {
  const { manifest, descriptor, bytes } = image;
  const blobs = referencedBy({ kind: "image", mediaType: descriptor.mediaType, manifest, bytes });
  const target: Pusher = { push: (each, body, signal) => deps.store.pushVerified(each, body, signal) };
  const copied = await copyContent(repository, target, blobs, deps.signal);
  for (const { descriptor: blob, placement } of copied) {
    if (placement === "present") events({ type: "blob.skipped", digest: blob.digest, reason: "already in the store" });
  }
  await deps.store.push(descriptor, bytesSource(bytes), deps.signal);
  return copied.some(({ placement }) => placement === "written");
}

/** Names the image. A clean-up by somebody else may have taken a blob that was there before: then it is fetched. */
async function name(
  deps: PullDeps,
  pulled: Pulled & { readonly notes: Readonly<Record<string, string>> },
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
