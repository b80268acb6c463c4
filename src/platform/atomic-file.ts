import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { errnoOf, WasmeError } from "../domain/errors.ts";

/** What the name of every unfinished file starts with; 16 hex digits follow. */
export const TEMPORARY_PREFIX = ".tmp-";

/**
 * Replaces the file at `path` as one step: after a crash at any moment the old or the new content is there, whole.
 * An exclusive temporary file beside the target is written and synced, renamed over it, and the directory synced;
 * missing directories are made. `mode` is that of the new file (default 0644, not changed by the umask).
 * Throws `DISK_FULL`, `READ_ONLY` or `NO_PERMISSION` (failed); the temporary file is gone then.
 */
export async function writeFileAtomic(
  path: string,
  data: Uint8Array | string,
  options: { readonly mode?: number } = {},
): Promise<void> {
  const draft = await createDraft(dirname(path));
  try {
    await draft.handle.writeFile(data);
    await draft.commit(path, options.mode ?? 0o644);
  } catch (error) {
    throw writeError(error, path);
  } finally {
    await draft.discard();
  }
}

/** A file being written under a temporary name: either committed under its real one or discarded. */
export interface FileDraft {
  readonly handle: FileHandle;
  /** Syncs, renames over `path` (same file system) and syncs that directory. */
  commit(path: string, mode: number): Promise<void>;
  /** Closes and removes it; never fails, does nothing after a commit. */
  discard(): Promise<void>;
}

/**
 * Opens an exclusive temporary file in `directory` (mode 0600 until it is committed), for content that is streamed.
 * Makes the directory. Throws as {@link writeFileAtomic} does.
 */
export async function createDraft(directory: string): Promise<FileDraft> {
  const temporary = join(directory, `${TEMPORARY_PREFIX}${randomBytes(8).toString("hex")}`);
  let handle: FileHandle;
  try {
    await makeDirectory(directory);
    handle = await open(temporary, "wx", 0o600);
  } catch (error) {
    throw writeError(error, directory);
  }
  let pending = true;
  return {
    handle,
    commit: async (path, mode) => {
      await handle.chmod(mode);
      await handle.sync();
      await handle.close();
      await makeDirectory(dirname(path));
      await rename(temporary, path).catch(async (error: unknown) => {
        throw (await stat(temporary).catch(() => undefined)) === undefined ? draftLost(path, error) : error;
      });
      pending = false;
      await syncDirectory(dirname(path));
    },
    discard: async () => {
      if (!pending) return;
      pending = false;
      await handle.close().catch(() => undefined);
      await rm(temporary, { force: true }).catch(() => undefined);
    },
  };
}

/**
 * Makes a directory and those above it that are missing, so that they survive a power cut. Node's own recursive way
 * answers `ENOENT` where the file system is read-only, and never where it refuses all names (`/proc`); here the first
 * refusal is what is thrown. Gives the topmost one
 * that was made, if any. `mode` is that of the new ones, less the umask.
 */
export async function makeDirectory(directory: string, mode = 0o777): Promise<string | undefined> {
  const found = await stat(directory).catch(() => undefined);
  if (found?.isDirectory() === true) return undefined;
  const parent = dirname(resolve(directory));
  const above = parent === resolve(directory) ? undefined : await makeDirectory(parent, mode);
  try {
    await mkdir(directory, mode);
  } catch (error) {
    // Another process may have been faster.
    const now = errnoOf(error) === "EEXIST" ? await stat(directory).catch(() => undefined) : undefined;
    if (now?.isDirectory() === true) return above;
    throw error;
  }
  await syncDirectory(parent);
  return above ?? directory;
}

/** Makes renames and removals in `directory` survive a power cut; file systems that cannot do it are left alone. */
async function syncDirectory(directory: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(directory, constants.O_RDONLY);
    await handle.sync();
  } catch (error) {
    if (!UNSUPPORTED_SYNC.has(errnoOf(error) ?? "")) throw error;
  } finally {
    await handle?.close();
  }
}

/** A clean-up took the unfinished file for one that was left behind. */
function draftLost(path: string, cause: unknown): Error {
  return new WasmeError("failed", "DRAFT_LOST", `${path} was not written: its unfinished file was removed meanwhile`, {
    hint: "run the command again, without a clean-up beside it",
    cause,
  });
}

/** Translates what a failed write to `path` threw; errors that are not about the disk come back as they are. */
export function writeError(error: unknown, path: string): unknown {
  const known = WRITE_ERRORS[errnoOf(error) ?? ""];
  if (known === undefined || error instanceof WasmeError) return error;
  return new WasmeError("failed", known.code, `cannot write ${path}: ${known.why}`, { hint: known.hint, cause: error });
}

interface KnownError {
  readonly code: string;
  readonly why: string;
  readonly hint: string;
}

const FULL: KnownError = { code: "DISK_FULL", why: "the disk is full", hint: "free some space, or use another folder" };
const DENIED: KnownError = {
  code: "NO_PERMISSION",
  why: "permission denied",
  hint: "check who owns the folder and its mode",
};
const BLOCKED: KnownError = {
  code: "PATH_BLOCKED",
  why: "a file is where a folder should be, or the other way round",
  hint: "move it away, or use another folder",
};
const WRITE_ERRORS: Readonly<Record<string, KnownError>> = {
  ENOENT: { code: "PATH_BLOCKED", why: "no folder can be made there", hint: "use another folder" },
  ENOSPC: FULL,
  EDQUOT: { ...FULL, why: "the disk quota is used up" },
  EROFS: { code: "READ_ONLY", why: "the file system is read-only", hint: "use a folder that can be written" },
  EACCES: DENIED,
  EPERM: DENIED,
  ENOTDIR: BLOCKED,
  EEXIST: BLOCKED,
  EISDIR: BLOCKED,
};

/** What opening or syncing a directory answers where that does not exist (Windows, some network file systems). */
const UNSUPPORTED_SYNC: ReadonlySet<string> = new Set(["EISDIR", "EINVAL", "ENOTSUP", "EPERM", "EACCES", "EROFS"]);
