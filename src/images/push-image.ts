import type { Digest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { type EventSink, ignoreEvents } from "../domain/events.ts";
import { formatReference, type ImageReference } from "../domain/image-reference.ts";
import type { ImageFormat } from "../domain/resolved-image.ts";
import type { PackFormat } from "../domain/wasm-image.ts";
import { isInFormat, PROXY_LIMIT } from "../domain/wasm-layout.ts";
import type { ImageStore } from "../store/image-store.ts";
import { copyContent } from "./copy-content.ts";
import { mountCandidates } from "./mount-candidates.ts";
import { type PushableImage, preparePush } from "./prepare-push.ts";
import { type ImageContents, readImage } from "./read-image.ts";
import type { Remote } from "./remote.ts";
import { findStoredImage, noteRegistry, type StoredImage } from "./stored-image.ts";
import { bytesPlaced, countRequests, telling, type TransferredBlob, transferredBlobs } from "./transferred.ts";

/** What `--format` may say. */
export type PushFormat = PackFormat | "auto";

/** The image to push, to the place its name says. */
export interface PushRequest {
  readonly reference: ImageReference;
  /** Absent: as it is stored; what wasme built is `oci`. `auto`: that, and `compat` when the registry refuses it. */
  readonly format?: PushFormat | undefined;
  /** The time to write into a manifest that is made here (`SOURCE_DATE_EPOCH`); none when absent. */
  readonly created?: Date | undefined;
  /** Repositories of the same registry (`team/base`) that may have the blobs; those the store knows of are found. */
  readonly mountFrom?: readonly string[] | undefined;
}

/** What the registry has now. */
export interface PushResult {
  readonly reference: string;
  readonly manifestDigest: Digest;
  readonly moduleDigest: Digest;
  readonly format: ImageFormat;
  /** True when the registry had exactly this under the name: nothing was uploaded. */
  readonly unchanged: boolean;
  /** Every blob of the image, each digest once. */
  readonly blobs: readonly TransferredBlob[];
  /** Bytes of the blobs that were uploaded. */
  readonly uploadedBytes: number;
  /** Bytes of the blobs the registry took over from another repository. */
  readonly mountedBytes: number;
  /** Bytes of the blobs that were there. */
  readonly skippedBytes: number;
  /** Round trips, tokens and repeated tries included; absent when the registry client does not count. */
  readonly requests?: number;
  /** Under `auto`: what the registry refused before it took this. */
  readonly refused?: { readonly format: ImageFormat; readonly manifestDigest: Digest };
}

/** What pushing needs. */
export interface PushDeps {
  readonly store: Pick<ImageStore, "dir" | "resolve" | "entries" | "names" | "manifest" | "fetch" | "note">;
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
  if (contents.module.size > PROXY_LIMIT) {
    events({
      type: "warning",
      message: `the module is larger than 256 MiB: Istio cuts it off and then refuses it`,
      hint: "strip it, or raise ISTIO_WASM_MAX_BINARY_SIZE_BYTES in the proxies",
    });
  }
  events({ type: "milestone", message: `Pushing ${reference}` });
  const requests = countRequests(deps.registry);
  const push: Push = { deps, request, image, contents, events };
  const pushed = request.format === "auto" ? await pushAuto(push) : await pushAs(push, request.format);
  return { ...pushed, ...requests() };
}

interface Push {
  readonly deps: PushDeps;
  readonly request: PushRequest;
  readonly image: StoredImage;
  readonly contents: ImageContents;
  readonly events: EventSink;
}

/** As it is stored; as an ordinary image when the registry refuses that, unless the name says which digest it has. */
async function pushAuto(push: Push): Promise<PushResult> {
  const { reference } = push.request;
  const { manifest, descriptor } = push.image;
  try {
    return await pushAs(push, undefined);
  } catch (error) {
    if (!isRefused(error) || isInFormat(manifest, "compat") || reference.digest !== undefined) throw error;
    const result = await pushAs(push, "compat");
    const message = `${reference.host} refuses wasm artifacts: pushed as an ordinary image (compat), with another digest than ${descriptor.digest}`;
    push.events({ type: "warning", message, hint: "pin this digest; --format compat says so beforehand" });
    return { ...result, refused: { format: push.contents.layout.format, manifestDigest: descriptor.digest } };
  }
}

async function pushAs(push: Push, format: PackFormat | undefined): Promise<PushResult> {
  const { deps, request, image, contents, events } = push;
  const options = { format, created: request.created, signal: deps.signal, events };
  const pushable = await preparePush(deps.store, image, contents, options);
  try {
    const result = await upload(push, pushable);
    if (pushable.asStored) await noteRegistry(deps.store, image, request.reference);
    return result;
  } finally {
    await pushable.release();
  }
}

/** Blobs the registry lacks, the manifest last; the registry client asks for each whether it is there. */
async function upload({ deps, request, contents, events }: Push, pushable: PushableImage): Promise<PushResult> {
  const { reference, mountFrom = [] } = request;
  const { manifest, bytes, blobs } = pushable;
  const mount = mountCandidates(deps.store, reference, mountFrom);
  const repository = deps.registry.repository(reference, "push", mount.sources);
  const name = pushTarget(reference, manifest.digest);
  const unchanged = (await repository.resolve(name, deps.signal))?.digest === manifest.digest;
  let placed = transferredBlobs(uniquely(blobs).map((descriptor) => ({ descriptor, placement: "present" })));
  if (unchanged) {
    events({ type: "milestone", message: "The registry has exactly this image already" });
  } else {
    await mount.lookFor(blobs.map(({ digest }) => digest));
    const target = telling(repository, "upload", events);
    placed = transferredBlobs(await copyContent(pushable.source, target, blobs, deps.signal));
    await repository.pushManifest(name, bytes, manifest.mediaType, deps.signal);
  }
  return {
    reference: formatReference(reference),
    manifestDigest: manifest.digest,
    moduleDigest: contents.module.digest,
    format: pushable.format,
    unchanged,
    blobs: placed,
    uploadedBytes: bytesPlaced(placed, "written"),
    mountedBytes: bytesPlaced(placed, "mounted"),
    skippedBytes: bytesPlaced(placed, "present"),
  };
}

function uniquely(blobs: PushableImage["blobs"]): PushableImage["blobs"] {
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
}

/** The tag, or the digest of a name that has none; a digest must be that of what is pushed. */
function pushTarget(reference: ImageReference, digest: Digest): string {
  if (reference.digest === undefined || reference.digest === digest) return reference.tag ?? digest;
  throw new WasmeError("usage", "DIGEST_MISMATCH", `in this format the image has digest ${digest}`, {
    hint: `name it by a tag instead of ${reference.digest}`,
  });
}

function isRefused(error: unknown): boolean {
  return error instanceof WasmeError && error.code === "MANIFEST_REFUSED";
}
