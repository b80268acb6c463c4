import { randomBytes } from "node:crypto";
import { chmod, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeDirectory, writeError, writeFileAtomic } from "../platform/atomic-file.ts";
import type { RenderedFile } from "./render.ts";
import { DRAFT_PREFIX } from "./target.ts";

/**
 * Writes files into a folder that has none of them, all or nothing: they are written aside first, on the same file
 * system, and then moved into place; what was moved is taken back when a later move fails, and so are folders made
 * for it. Throws `DISK_FULL`, `READ_ONLY` or `NO_PERMISSION`.
 */
export async function placeFiles(directory: string, files: readonly RenderedFile[]): Promise<void> {
  let made: string | undefined;
  const moved: string[] = [];
  const draft = join(directory, `${DRAFT_PREFIX}${randomBytes(6).toString("hex")}`);
  try {
    made = await makeDirectory(directory);
    for (const file of files) await writeNew(join(draft, file.path), file);
    await moveInto(directory, draft, moved);
    await rm(draft, { recursive: true });
  } catch (error) {
    await undo(directory, { made, moved, draft });
    throw writeError(error, directory);
  }
}

/** Writes files over those in the folder, each one in a single step; a failure leaves the earlier ones replaced. */
export async function overwriteFiles(directory: string, files: readonly RenderedFile[]): Promise<void> {
  for (const file of files) await writeFileAtomic(join(directory, file.path), file.bytes, { mode: file.mode });
}

async function writeNew(path: string, file: RenderedFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, file.bytes, { flag: "wx", mode: file.mode });
  if ((file.mode & 0o100) !== 0) await chmod(path, file.mode);
}

/** Moves every entry of the draft up one level; a folder that is there already is entered instead. */
async function moveInto(directory: string, draft: string, moved: string[]): Promise<void> {
  const there = new Set(await readdir(directory));
  for (const entry of await readdir(draft, { withFileTypes: true })) {
    const target = join(directory, entry.name);
    if (entry.isDirectory() && there.has(entry.name)) {
      await moveInto(target, join(draft, entry.name), moved);
    } else {
      await rename(join(draft, entry.name), target);
      moved.push(target);
    }
  }
}

interface Traces {
  readonly made: string | undefined;
  readonly moved: readonly string[];
  readonly draft: string;
}

async function undo(directory: string, traces: Traces): Promise<void> {
  const paths = traces.made === undefined ? [...traces.moved, traces.draft] : [traces.made];
  await Promise.all(paths.map((path) => rm(path, { recursive: true, force: true }).catch(() => undefined)));
}
