import { realpath, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Digest } from "../domain/digest.ts";
import { usageError, WasmeError } from "../domain/errors.ts";
import { type EventSink, ignoreEvents } from "../domain/events.ts";
import { createDraft, writeError } from "../platform/atomic-file.ts";
import type { ImageStore, StoreEntry } from "../store/image-store.ts";
import { type ArchivedImage, planArchive, writeArchive } from "./layout-archive.ts";
import { namedEntries } from "./named-entries.ts";
import { type ProgressTask, progressTask } from "./progress-task.ts";

/** Takes the archive piece by piece; the promise is kept when more may come. */
export type WriteBytes = (bytes: Uint8Array) => Promise<void>;

/** Images to save, as the user named them, and where they go. */
export interface SaveRequest {
  readonly references: readonly string[];
  /** A file (absolute), replaced as one step, or whatever takes the bytes as they come. */
  readonly target: { readonly file: string } | { readonly write: WriteBytes };
}

/** What the archive holds. */
export interface SaveResult {
  /** Absent when the archive was streamed. */
  readonly file?: string;
  readonly images: readonly { readonly reference: string; readonly manifestDigest: Digest }[];
  /** Blobs in it, manifests included. */
  readonly blobs: number;
  /** Of the whole archive. */
  readonly bytes: number;
}

/**
 * Writes images of the store into one tar archive, an OCI image layout; every byte is verified on the way. All names
 * are looked up first. Throws `IMAGE_NOT_FOUND`, `IMAGE_DAMAGED`, `LAYOUT_UNKNOWN` for an index, `BLOB_DAMAGED` for
 * altered content, and errors of the disk; then there is no file, or the old one.
 */
export async function saveImages(
  deps: { readonly store: Pick<ImageStore, "entries" | "fetch">; readonly signal?: AbortSignal },
  request: SaveRequest,
  events: EventSink = ignoreEvents,
): Promise<SaveResult> {
  if (request.references.length === 0) throw usageError("REFERENCE_MISSING", "no image named");
  const images = namedEntries(await deps.store.entries(), request.references).map(requireImage);
  const plan = planArchive(images);
  const task = progressTask(events, "save", images.length === 1 ? "Saving 1 image" : `Saving ${images.length} images`);
  const archive = counted(writeArchive(plan, deps.store, deps.signal), plan.bytes, task);
  try {
    if ("write" in request.target) for await (const chunk of archive) await request.target.write(chunk);
    else await writeWhole(request.target.file, archive);
    task.end(true);
  } catch (error) {
    task.end(false);
    throw error;
  }
  return {
    ...("file" in request.target ? { file: request.target.file } : {}),
    images: images.map(({ reference, descriptor }) => ({ reference, manifestDigest: descriptor.digest })),
    blobs: plan.blobs.length,
    bytes: plan.bytes,
  };
}

function requireImage(entry: StoreEntry): ArchivedImage {
  const { reference } = entry;
  if (entry.state === "damaged") {
    throw new WasmeError("failed", "IMAGE_DAMAGED", `${reference} is damaged: ${entry.reason}`, {
      hint: "pull or build it again; wasme store verify shows all damage",
    });
  }
  if (entry.manifest.kind === "index") {
    throw new WasmeError("incompatible", "LAYOUT_UNKNOWN", `${reference} is an image index in the local store`, {
      hint: "pull it with wasme, which takes the image for linux/amd64",
    });
  }
  return { reference, descriptor: entry.descriptor, manifest: entry.manifest.manifest };
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  total: number,
  task: ProgressTask,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const chunk of chunks) {
    yield chunk;
    done += chunk.byteLength;
    task.tell(done, total);
  }
}

/**
 * Under a temporary name until it is whole; a pipe or device is written to as it is. A link stays one, a file keeps its
 * mode, and a new one is for whom the user's new files are.
 */
async function writeWhole(file: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const target = await realpath(file).catch(() => file);
  const found = await stat(target).catch(() => undefined);
  if (found?.isDirectory() === true) {
    throw usageError("OUT_IS_FOLDER", `${file} is a folder; --file takes a file name`, {
      hint: `--file ${join(file, "images.tar")}`,
    });
  }
  if (found?.isFile() === false) return await writeThrough(target, chunks);
  const draft = await createDraft(dirname(target));
  try {
    for await (const chunk of chunks) await draft.handle.writeFile(chunk);
    await draft.commit(target, found === undefined ? 0o666 & ~process.umask() : found.mode & 0o777);
  } catch (error) {
    throw writeError(error, file);
  } finally {
    await draft.discard();
  }
}

async function writeThrough(file: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    await writeFile(file, chunks);
  } catch (error) {
    throw writeError(error, file);
  }
}
