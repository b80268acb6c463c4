import { lstat, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, usageError } from "../domain/errors.ts";
import { writeError } from "../platform/atomic-file.ts";
import type { RenderedFile } from "./render.ts";

/** What scaffolding into a folder would do to files that are there. */
export interface Target {
  /** Paths of the project that exist and will be replaced. */
  readonly overwritten: readonly string[];
}

/** What unfinished scaffolding is called inside or beside its folder. */
export const DRAFT_PREFIX = ".wasme-init-";

/**
 * Looks whether the files may be written to `directory` (absolute). Without `force` it must not exist or hold nothing
 * but names of version control, editors and file managers: `INIT_NOT_EMPTY` names what is in the way. `INIT_BLOCKED` when a file stands where a
 * folder has to be or the other way round.
 */
export async function inspectTarget(
  directory: string,
  files: readonly RenderedFile[],
  force: boolean,
): Promise<Target> {
  const present = await listFolder(directory);
  if (present === undefined) return { overwritten: [] };
  const kinds = await Promise.all(files.map((file) => kindOf(directory, file.path)));
  const overwritten = files.filter((_, index) => kinds[index] === "file").map((file) => file.path);
  const foreign = present.filter((name) => !isIgnored(name));
  if (!force && (foreign.length > 0 || overwritten.length > 0)) throw notEmpty(directory, foreign, overwritten);
  const blocked = files.find((_, index) => kinds[index] === "blocked");
  if (blocked === undefined) return { overwritten };
  throw usageError("INIT_BLOCKED", `cannot write ${blocked.path} in ${directory}: something else is in its place`, {
    hint: "move it away, or use another folder",
  });
}

/** Names that a folder may hold and still count as empty: version control, editors, file managers. */
const IGNORED: readonly string[] = [
  ".git",
  ".hg",
  ".svn",
  ".gitkeep",
  ".gitattributes",
  ".vscode",
  ".idea",
  ".DS_Store",
  "Thumbs.db",
  "desktop.ini",
];

function isIgnored(name: string): boolean {
  return IGNORED.includes(name) || name.startsWith(DRAFT_PREFIX);
}

/** The names in the folder; `undefined` when it does not exist. */
async function listFolder(directory: string): Promise<readonly string[] | undefined> {
  try {
    return (await readdir(directory)).toSorted();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    if (errnoOf(error) === "ENOTDIR") {
      throw usageError("INIT_BLOCKED", `cannot make the folder ${directory}: a file is in its place`, {
        hint: "choose another folder",
      });
    }
    throw writeError(error, directory);
  }
}

/** What is at the path of a project file: nothing, a file, or something that cannot be replaced by one. */
async function kindOf(directory: string, path: string): Promise<"absent" | "file" | "blocked"> {
  const parts = path.split("/");
  for (let length = 1; length < parts.length; length += 1) {
    const parent = await found(join(directory, ...parts.slice(0, length)), stat);
    if (parent === undefined) return "absent";
    if (!parent.isDirectory()) return "blocked";
  }
  const entry = await found(join(directory, path), lstat);
  if (entry === undefined) return "absent";
  return entry.isDirectory() ? "blocked" : "file";
}

async function found<T>(path: string, look: (path: string) => Promise<T>): Promise<T | undefined> {
  try {
    return await look(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function notEmpty(directory: string, foreign: readonly string[], overwritten: readonly string[]): Error {
  const clash = overwritten.length > 0;
  const names = clash ? overwritten : foreign;
  const shown = names.slice(0, SHOWN).join(", ");
  const list = names.length > SHOWN ? `${shown} and ${names.length - SHOWN} more` : shown;
  return usageError(
    "INIT_NOT_EMPTY",
    `${directory} is not empty: ${list} ${clash ? "would be overwritten" : "found"}`,
    {
      hint: clash
        ? "choose a new folder, or overwrite with --force"
        : "choose a new folder, or write beside them with --force",
      details: { directory, found: foreign, overwritten },
    },
  );
}

const SHOWN = 8;
