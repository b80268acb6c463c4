import type { Fetcher, MountSources, Pusher } from "../domain/content.ts";
import type { Descriptor } from "../domain/descriptor.ts";
import type { Digest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { formatReference, type ImageReference, referenceTarget } from "../domain/image-reference.ts";
import { type OciIndex, type OciManifest, type ParsedManifest, parseManifest } from "../domain/manifest.ts";
import type { Traffic } from "../domain/traffic.ts";
import { chooseChild } from "../domain/wasm-layout.ts";

/** A manifest as the registry served it, its digest checked. */
interface ServedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** What the image use cases need of one repository of a registry; the registry client has more. */
export interface RemoteRepository extends Fetcher, Pusher {
  /** What a tag or digest points to; `undefined` when the registry does not have it. */
  resolve(target: string, signal?: AbortSignal): Promise<Descriptor | undefined>;
  /** The manifest or index behind a tag or digest; `undefined` when the registry does not have it. */
  fetchManifest(target: string, signal?: AbortSignal): Promise<ServedManifest | undefined>;
  /** Stores a manifest under a tag or its digest; what it points to must be there. */
  pushManifest(target: string, bytes: Uint8Array, mediaType: string, signal?: AbortSignal): Promise<Descriptor>;
  /** The manifests attached to a manifest, for those who can list them. */
  referrers?(digest: Digest, options?: { readonly signal?: AbortSignal }): Promise<readonly Descriptor[]>;
}

/**
 * Opens the repository of a reference to read from it, or to write to it too; no request is made yet. `mountFrom` names
 * repositories of the same registry that may spare an upload.
 */
export interface Remote {
  repository(reference: ImageReference, access?: "pull" | "push", mountFrom?: MountSources): RemoteRepository;
  /** True when the registry wanted to know who reads the repository, and was told; for those who can tell. */
  handedOver?(reference: ImageReference): boolean;
  /** What was sent over it so far, when it counts. */
  traffic?(): Traffic;
}

/** The image behind a reference in a registry: for an index the child that stands for it. */
export interface RemoteImage {
  readonly descriptor: Descriptor;
  readonly manifest: OciManifest;
  readonly bytes: Uint8Array;
  /** The outermost index the reference means, when it means one. */
  readonly index: OciIndex | undefined;
  /** False when the image was taken from an index in which proxies find none: they would refuse the reference. */
  readonly forProxies: boolean;
}

/**
 * Fetches the manifest of an image; of an index, that of the child proxies take, else one for a wasm platform. Indexes in
 * indexes are followed a few steps. Throws `IMAGE_NOT_FOUND` (not found), `PLATFORM_MISSING` or `LAYOUT_UNKNOWN`
 * (incompatible), and what the registry client throws.
 */
export async function fetchImage(
  repository: Pick<RemoteRepository, "fetchManifest">,
  reference: ImageReference,
  signal?: AbortSignal,
): Promise<RemoteImage> {
  const where = formatReference(reference);
  let index: OciIndex | undefined;
  let forProxies = true;
  let target: string = referenceTarget(reference);
  for (let depth = 0; depth <= MAX_INDEX_DEPTH; depth += 1) {
    const { served, parsed } = await readManifest(repository, { target, where }, signal);
    if (parsed.kind === "image") return { ...served, manifest: parsed.manifest, index, forProxies };
    index ??= parsed.index;
    const chosen = chooseChild(parsed.index, where);
    forProxies &&= chosen.forProxies;
    target = chosen.child.digest;
  }
  const message = `${where} is an index of indexes, more than ${MAX_INDEX_DEPTH} deep`;
  throw new WasmeError("incompatible", "LAYOUT_UNKNOWN", message, { hint: "push a single image" });
}

/** Real images have one; builders that merge indexes, two. */
const MAX_INDEX_DEPTH = 4;

async function readManifest(
  repository: Pick<RemoteRepository, "fetchManifest">,
  { target, where }: { readonly target: string; readonly where: string },
  signal: AbortSignal | undefined,
): Promise<{ readonly served: ServedManifest; readonly parsed: ParsedManifest }> {
  const served = await repository.fetchManifest(target, signal);
  if (served === undefined) {
    throw new WasmeError("not-found", "IMAGE_NOT_FOUND", `the registry has no image ${where}`, {
      hint: "check name and tag; a private repository may need wasme login",
    });
  }
  const parsed = parseManifest(served.bytes, served.descriptor.mediaType);
  return { served: { ...served, descriptor: { ...served.descriptor, mediaType: parsed.mediaType } }, parsed };
}
