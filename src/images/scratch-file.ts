import { randomBytes } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { BodySource } from "../domain/content.ts";
import { makeDirectory, TEMPORARY_PREFIX } from "../platform/atomic-file.ts";

/** Bytes put aside for a moment. Nothing of it can be left behind: the file has no name. */
export interface ScratchFile {
  /** Adds a piece. Throws what the disk throws. */
  append(chunk: Uint8Array): Promise<void>;
  /** What was added so far; to be read while the file is open. */
  body(): BodySource;
  /** Frees the room it took; never fails. */
  close(): Promise<void>;
}

/**
 * Opens a scratch file in `dir` and takes its name away at once, so that the system frees it whatever happens to this
 * process. `undefined` where no file can be written: callers must be able to do without.
 */
export async function openScratch(dir: string): Promise<ScratchFile | undefined> {
  const path = join(dir, `${TEMPORARY_PREFIX}${randomBytes(8).toString("hex")}`);
  let handle: FileHandle;
  try {
    await makeDirectory(dir);
    handle = await open(path, "wx+", 0o600);
  } catch {
    return undefined;
  }
  // Windows keeps the name of an open file: it goes when the file is closed.
  const gone = await removed(path);
  let size = 0;
  return {
    append: async (chunk) => {
      await handle.writeFile(chunk);
      size += chunk.byteLength;
    },
    body: () => ({ size, open: (start = 0) => readFrom(handle, start) }),
    close: async () => {
      await handle.close().catch(() => undefined);
      if (!gone) await removed(path);
    },
  };
}

async function removed(path: string): Promise<boolean> {
  return await rm(path, { force: true }).then(
    () => true,
    () => false,
  );
}

async function* readFrom(handle: FileHandle, start: number): AsyncGenerator<Uint8Array> {
  for (let at = start; ;) {
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.allocUnsafe(READ_SIZE), position: at });
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

/** Bytes. */
const READ_SIZE = 512 * 1024;
