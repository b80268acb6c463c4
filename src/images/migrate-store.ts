import { createReadStream } from "node:fs";
import { type BodySource, bytesSource } from "../domain/content.ts";
import { type Digest, startDigest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { type EventSink, ignoreEvents } from "../domain/events.ts";
import { formatReference } from "../domain/image-reference.ts";
import { packLegacy } from "../domain/legacy-image.ts";
import type { PackedImage } from "../domain/wasm-image.ts";
import type { ImageStore } from "../store/image-store.ts";
import { damaged, type LegacyImage, legacyFolders, legacyName, readLegacyImage } from "../store/legacy-store.ts";
import { moduleNotes } from "./stored-image.ts";

/** What to migrate, and how. */
export interface MigrateRequest {
  /** The old tool's store, absolute; only ever read. */
  readonly from: string;
  /** Replaces images of the same name; without it they are kept. */
  readonly force: boolean;
  /** Reads and checks everything, writes nothing. */
  readonly dryRun: boolean;
}

/** What became, or would become, of an image of the old store. */
export type MigratedImage =
  | {
      /**
       * `kept`: the name stands for another image here, which was not replaced. `unchanged`: it was migrated before.
       */
      readonly state: "migrated" | "replaced" | "kept" | "unchanged";
      readonly reference: string;
      /** As the old tool would have pushed it. */
      readonly manifestDigest: Digest;
      readonly moduleDigest: Digest;
    }
  | {
      readonly state: "damaged";
      /** Absent when the folder does not even say that. */
      readonly reference?: string;
      readonly folder: string;
      readonly reason: string;
    };

/** What became of the old store's images. */
export interface MigrateResult {
  readonly from: string;
  readonly dryRun: boolean;
  readonly images: readonly MigratedImage[];
}

/**
 * Takes every image of the old tool's store into this one, under its name and byte for byte as the old tool would have
 * pushed it: module, runtime config, and with them the manifest digest. Modules are verified. A damaged image is told
 * and does not hinder the others; images are named one by one, so that what was done before a failure stays done.
 * Throws `LEGACY_STORE_NOT_FOUND` (not found), `STORE_UNREADABLE`, and errors of the disk.
 */
export async function migrateStore(
  deps: { readonly store: Pick<ImageStore, "push" | "resolve" | "tagAll">; readonly signal?: AbortSignal },
  request: MigrateRequest,
  events: EventSink = ignoreEvents,
): Promise<MigrateResult> {
  const { from, dryRun } = request;
  const folders = await legacyFolders(from);
  if (folders === undefined) {
    throw new WasmeError("not-found", "LEGACY_STORE_NOT_FOUND", `there is no store of the old wasme in ${from}`, {
      hint: "name its folder with --from",
    });
  }
  events({ type: "milestone", message: `${dryRun ? "Checking" : "Migrating"} ${from}` });
  const images: MigratedImage[] = [];
  for (const folder of folders) {
    deps.signal?.throwIfAborted();
    images.push(await migrate(deps, folder, request));
  }
  return { from, dryRun, images };
}

async function migrate(
  deps: Parameters<typeof migrateStore>[0],
  folder: string,
  { force, dryRun }: MigrateRequest,
): Promise<MigratedImage> {
  try {
    const image = await readLegacyImage(folder);
    const packed = packLegacy(image.module, image.configBytes, image.runtimeConfig);
    const reference = formatReference(image.reference);
    const known = await deps.store.resolve(reference).catch(absentWhenDamaged);
    const state = stateOf(known?.digest, packed.manifest.digest, force);
    // Even where its content is here already: what the old store holds is judged by itself.
    for await (const chunk of readModule(image, folder, deps.signal)) void chunk;
    if (!dryRun && state !== "kept") await store(deps, image, { packed, folder, name: state !== "unchanged" });
    return { state, reference, manifestDigest: packed.manifest.digest, moduleDigest: image.module.digest };
  } catch (error) {
    if (!(error instanceof WasmeError) || error.code !== "LEGACY_IMAGE_DAMAGED") throw error;
    const name = await legacyName(folder);
    const reason = error.message.replace(`${folder}: `, "");
    return { state: "damaged", ...(name === undefined ? {} : { reference: name }), folder, reason };
  }
}

function stateOf(
  known: Digest | undefined,
  wanted: Digest,
  force: boolean,
): "migrated" | "replaced" | "kept" | "unchanged" {
  if (known === undefined) return "migrated";
  if (known === wanted) return "unchanged";
  return force ? "replaced" : "kept";
}

/** Stores what is not there yet, or was damaged; then the name. */
async function store(
  { store: target, signal }: Parameters<typeof migrateStore>[0],
  image: LegacyImage,
  made: { readonly packed: PackedImage; readonly folder: string; readonly name: boolean },
): Promise<void> {
  const { manifest, bytes, config, layer } = made.packed;
  const module: BodySource = { size: layer.size, open: () => readModule(image, made.folder, signal) };
  await target.push(config.descriptor, bytesSource(config.bytes), signal);
  await target.push(layer, module, signal);
  await target.push(manifest, bytesSource(bytes), signal);
  if (!made.name) return;
  const descriptor = { ...manifest, annotations: moduleNotes({ module: image.module }) };
  await target.tagAll([{ reference: formatReference(image.reference), descriptor, updated: image.updated }], signal);
}

/** The module, verified on the way: a wrong one is the old store's damage, whoever reads it. */
async function* readModule(
  { moduleFile, module }: LegacyImage,
  folder: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const hash = startDigest(module.digest);
  try {
    for await (const chunk of createReadStream(moduleFile, { highWaterMark: CHUNK, ...(signal && { signal }) })) {
      hash.update(chunk as Uint8Array);
      yield chunk as Uint8Array;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw damaged(folder, "filter.wasm cannot be read", error);
  }
  if (hash.digest() !== module.digest) throw damaged(folder, `filter.wasm is not ${module.digest}`);
}

/** A damaged entry of that name is about to be replaced. */
function absentWhenDamaged(error: unknown): undefined {
  if (error instanceof WasmeError && error.code === "STORE_DAMAGED") return undefined;
  throw error;
}

const CHUNK = 256 * 1024;
