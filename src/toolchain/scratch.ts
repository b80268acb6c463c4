import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeError } from "../platform/atomic-file.ts";

/**
 * Runs something with a new folder in `tmp` for a compiler's temporary files, and removes it: a compiler that is ended in
 * the middle leaves them. Throws what `work` throws, and `DISK_FULL` and the like.
 */
export async function withScratch<T>(tmp: string, work: (folder: string) => Promise<T>): Promise<T> {
  const prefix = join(tmp, "wasme-compile-");
  const folder = await mkdtemp(prefix).catch((error: unknown) => {
    throw writeError(error, prefix);
  });
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
