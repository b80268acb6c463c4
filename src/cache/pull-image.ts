import type { Fetcher } from "../domain/content.ts";
import type { Digest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { formatReference, type ImageReference, withDigest } from "../domain/image-reference.ts";
import { isNonDistributable } from "../domain/media-types.ts";
import type { WasmLayout } from "../domain/wasm-layout.ts";
import { checkMagic, findLayout, openModule } from "../images/read-image.ts";
import { fetchImage, type RemoteImage, type RemoteRepository } from "../images/remote.ts";
import { MAX_MODULE } from "../wasm/check-module.ts";
import type { CachedBlob, CachedImage } from "./cached-image.ts";
import type { ContentDraft, ContentFolder } from "./content-folder.ts";
import type { Room } from "./room.ts";
import type { SingleFlight } from "./single-flight.ts";

/** Where an image is pulled from and to. */
export interface PullDeps {
  readonly repository: RemoteRepository;
  readonly modules: ContentFolder;
  /** Manifests, configurations and packed layers. */
  readonly blobs: ContentFolder;
  readonly room: Room;
  /** Layers on their way, by digest: two images may share one. */
  readonly layers: SingleFlight<ModuleFacts>;
  /** The module of a packed layer that was read before. */
  readonly moduleOf: (layer: Digest) => ModuleFacts | undefined;
  /** True when the repository asked who we are, and was told. */
  readonly usedCredential: () => boolean;
  readonly signal: AbortSignal;
}

/** A module by digest. */
export interface ModuleFacts {
  readonly module: Digest;
  readonly bytes: number;
}

/**
 * Brings an image to this node: its module, verified and published, and what belongs to it. `top` is what its
 * reference points to. What is here already is not fetched again. Throws errors of the registry, the layout, the disk,
 * and `CACHE_FULL`.
 */
export async function pullImage(deps: PullDeps, reference: ImageReference, top: Digest): Promise<CachedImage> {
  const { repository, signal } = deps;
  const pinned = withDigest(reference, top);
  const where = formatReference(pinned);
  const image = await fetchImage(repository, pinned, signal);
  const layout = findLayout(image.manifest, where);
  if (layout.packing === "raw" && layout.module.size > MAX_MODULE) throw tooLarge(where);
  const kept = blobsBeside(image, layout);
  const facts = await deps.layers.run(
    `${reference.host} ${layout.module.digest}`,
    () => bringModule(deps, layout, where),
    signal,
  );
  for (const blob of kept) await keepBeside(deps, image, blob);
  const { mediaType, digest, size } = image.descriptor;
  return {
    top,
    manifest: { mediaType, digest, size },
    layer: layout.module.digest,
    ...facts,
    blobs: kept.filter((blob) => blob.digest !== digest),
    isPrivate: deps.usedCredential(),
  };
}

/**
 * The manifest and the small blobs it points to, and the layer a module is packed in; a module that is a layer by
 * itself is published as such, and whatever else an image carries is of no use to proxies.
 */
function blobsBeside({ descriptor, manifest }: RemoteImage, layout: WasmLayout): readonly CachedBlob[] {
  const parts = [manifest.config, ...manifest.layers].filter(({ mediaType, digest, size }) => {
    if (digest === layout.module.digest) return layout.packing !== "raw";
    return size <= SMALL && !isNonDistributable(mediaType);
  });
  const blobs = [descriptor, ...parts].map(({ mediaType, digest, size }) => ({ mediaType, digest, size }));
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
}

/** Bytes; configurations and schemas are smaller. */
const SMALL = 1024 * 1024;

/** The module is what counts: a blob beside it that cannot be had is missed only by who asks for it. */
async function keepBeside(deps: PullDeps, { descriptor, bytes }: RemoteImage, blob: CachedBlob): Promise<void> {
  try {
    await keepBlob(deps, blob, blob.digest === descriptor.digest ? bytes : undefined);
  } catch (error) {
    if (!(error instanceof WasmeError)) throw error;
  }
}

async function bringModule(deps: PullDeps, layout: WasmLayout, where: string): Promise<ModuleFacts> {
  const { module: layer, packing } = layout;
  const known = packing === "raw" ? { module: layer.digest, bytes: layer.size } : deps.moduleOf(layer.digest);
  if (known !== undefined && (await deps.modules.check(known.module)) !== undefined) return known;
  if (packing === "raw") return await writeModule(deps, layout, { where, source: deps.repository });
  await keepBlob(deps, layer);
  return await writeModule(deps, layout, { where, source: heldContent(deps.blobs) });
}

/** Room for a module of unknown size is taken as it grows. */
async function writeModule(
  deps: PullDeps,
  layout: WasmLayout,
  { where, source }: { readonly where: string; readonly source: Fetcher },
): Promise<ModuleFacts> {
  const isRaw = layout.packing === "raw";
  const room = await deps.room.take(isRaw ? layout.module.size : 0);
  let draft: ContentDraft | undefined;
  try {
    draft = await deps.modules.draft(isRaw ? layout.module.digest : undefined);
    let head: Uint8Array = new Uint8Array(0);
    for await (const piece of openModule(source, layout, { where, signal: deps.signal })) {
      if (head.byteLength < HEADER) head = Buffer.concat([head, piece.subarray(0, HEADER)]);
      if (draft.size + piece.byteLength > MAX_MODULE) throw tooLarge(where);
      if (!isRaw) await room.grow(piece.byteLength);
      await draft.write(piece);
    }
    checkMagic(head, where);
    const { size: bytes } = draft;
    return { module: await draft.publish(isRaw ? layout.module.digest : undefined), bytes };
  } finally {
    // First: a file that is there counts by itself.
    room.release();
    await draft?.discard();
  }
}

async function keepBlob(deps: PullDeps, blob: CachedBlob, bytes?: Uint8Array): Promise<void> {
  if ((await deps.blobs.check(blob.digest)) !== undefined) return;
  const room = await deps.room.take(blob.size);
  let draft: ContentDraft | undefined;
  try {
    draft = await deps.blobs.draft(blob.digest);
    const content = bytes === undefined ? deps.repository.fetch(blob, deps.signal) : [bytes];
    for await (const piece of content) await draft.write(piece);
    await draft.publish(blob.digest);
  } finally {
    // First: a file that is there counts by itself.
    room.release();
    await draft?.discard();
  }
}

/** Content of a folder as a source; it was verified when it was written. */
function heldContent(folder: ContentFolder): Fetcher {
  return {
    async *fetch({ digest }) {
      const content = await folder.openContent(digest);
      if (content === undefined) throw new WasmeError("failed", "BLOB_MISSING", `${digest} was removed meanwhile`);
      try {
        yield* content.handle.createReadStream({ autoClose: false }) as AsyncIterable<Uint8Array>;
      } finally {
        await content.handle.close();
      }
    },
  };
}

function tooLarge(where: string): WasmeError {
  return new WasmeError(
    "incompatible",
    "MODULE_TOO_LARGE",
    `the module of ${where} is larger than ${MAX_MODULE} bytes`,
    { hint: "no proxy loads it: strip it and optimise for size" },
  );
}

const HEADER = 512;
