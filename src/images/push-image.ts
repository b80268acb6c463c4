import type { Digest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { type EventSink, ignoreEvents } from "../domain/events.ts";
import { formatReference, type ImageReference } from "../domain/image-reference.ts";
import type { ImageFormat } from "../domain/resolved-image.ts";
import type { ImageStore } from "../store/image-store.ts";
import { copyContent } from "./copy-content.ts";
import { type PushableImage, preparePush } from "./prepare-push.ts";
import { type ImageContents, readImage } from "./read-image.ts";
import type { Remote, RemoteRepository } from "./remote.ts";
import { findStoredImage, type StoredImage } from "./stored-image.ts";

/** What `--format` may say. */
export type PushFormat = "oci" | "compat" | "auto";

/** The image to push, to the place its name says. */
export interface PushRequest {
  readonly reference: ImageReference;
  /** Absent: as it is stored; what wasme built is `oci`. `auto`: that, and `compat` when the registry refuses it. */
  readonly format?: PushFormat | undefined;
}

/** What the registry has now. */
export interface PushResult {
  readonly reference: string;
  readonly manifestDigest: Digest;
  readonly moduleDigest: Digest;
  readonly format: ImageFormat;
  /** True when the registry had exactly this under the name: nothing was uploaded. */
  readonly unchanged: boolean;
  /** Bytes of the blobs that were uploaded. */
  readonly uploadedBytes: number;
}

/** What pushing needs. */
export interface PushDeps {
  readonly store: Pick<ImageStore, "resolve" | "entries" | "manifest" | "fetch">;
  readonly registry: Remote;
  readonly signal?: AbortSignal;
}

/**
 * Pushes a stored image: blobs the registry lacks, then the manifest. Throws `IMAGE_NOT_FOUND`, errors of the store
 * (damaged content is noticed while it is read, and not pushed) and of the registry.
 */
export async function pushImage(
  deps: PushDeps,
  request: PushRequest,
  events: EventSink = ignoreEvents,
): Promise<PushResult> {
  const image = await findStoredImage(deps.store, request.reference);
  const reference = formatReference(request.reference);
  const contents = await readImage(deps.store, image.manifest, { where: reference, signal: deps.signal });
  if (contents.module.size > ISTIO_LIMIT) {
    events({
      type: "warning",
      message: `the module is larger than 256 MiB: Istio cuts it off and then refuses it`,
      hint: "strip it, or raise ISTIO_WASM_MAX_BINARY_SIZE_BYTES in the proxies",
    });
  }
  events({ type: "milestone", message: `Pushing ${reference}` });
  const push: Push = { deps, reference: request.reference, image, contents, events };
  const format = request.format === "auto" ? undefined : request.format;
  try {
    return await pushAs(push, format);
  } catch (error) {
    if (request.format !== "auto" || !isRefused(error) || contents.layout.format === "compat") throw error;
    const result = await pushAs(push, "compat");
    const message = `${request.reference.host} refuses wasm artifacts: pushed as an ordinary image (compat), with another digest`;
    events({ type: "warning", message, hint: "pin this digest; --format compat says so beforehand" });
    return result;
  }
}

interface Push {
  readonly deps: PushDeps;
  readonly reference: ImageReference;
  readonly image: StoredImage;
  readonly contents: ImageContents;
  readonly events: EventSink;
}

async function pushAs(push: Push, format: "oci" | "compat" | undefined): Promise<PushResult> {
  const { deps, reference, contents, events } = push;
  const { signal } = deps;
  const pushable = await preparePush(deps.store, push.image, contents, { format, signal });
  const repository = deps.registry.repository(reference, "push");
  const target = pushTarget(reference, pushable);
  const there = await repository.resolve(target, signal);
  const unchanged = there?.digest === pushable.manifest.digest;
  const uploadedBytes = unchanged ? 0 : await upload(repository, pushable, target, signal);
  if (unchanged) events({ type: "milestone", message: "The registry has exactly this image already" });
  return {
    reference: formatReference(reference),
    manifestDigest: pushable.manifest.digest,
    moduleDigest: contents.module.digest,
    format: pushable.format,
    unchanged,
    uploadedBytes,
  };
}

/** Bytes of the blobs that had to be uploaded; the registry client asks for each whether it is there. */
async function upload(
  repository: RemoteRepository,
  { source, blobs, manifest, bytes }: PushableImage,
  target: string,
  signal: AbortSignal | undefined,
): Promise<number> {
  const copied = await copyContent(source, repository, blobs, signal);
  await repository.pushManifest(target, bytes, manifest.mediaType, signal);
  return copied.reduce((sum, { descriptor, placement }) => sum + (placement === "written" ? descriptor.size : 0), 0);
}

/** The tag, or the digest of a name that has none; a digest must be that of what is pushed. */
function pushTarget(reference: ImageReference, { manifest }: PushableImage): string {
  if (reference.digest === undefined || reference.digest === manifest.digest) return reference.tag ?? manifest.digest;
  throw new WasmeError("usage", "DIGEST_MISMATCH", `in this format the image has digest ${manifest.digest}`, {
    hint: `name it by a tag instead of ${reference.digest}`,
  });
}

function isRefused(error: unknown): boolean {
  return error instanceof WasmeError && error.code === "MANIFEST_REFUSED";
}

/** Bytes; the default of `ISTIO_WASM_MAX_BINARY_SIZE_BYTES`. */
const ISTIO_LIMIT = 256 * 1024 * 1024;
