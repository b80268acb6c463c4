import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { errnoOf, usageError } from "../domain/errors.ts";

/** Which file, what it is to the user, and how large it may be. */
export interface ReadFileOptions {
  readonly cwd: string;
  /** As messages name it: `--config`, `runtime config`. */
  readonly what: string;
  /** Bytes; default 16 MiB. */
  readonly limit?: number;
}

const DEFAULT_LIMIT = 16 * 1024 * 1024;

/** The text of a file the user named. Throws `FILE_UNREADABLE` or `FILE_TOO_LARGE` (usage). */
export async function readTextFile(file: string, options: ReadFileOptions): Promise<string> {
  return Buffer.from(await readInputFile(file, options)).toString("utf8");
}

/** The bytes of a file the user named. Throws `FILE_UNREADABLE` or `FILE_TOO_LARGE` (usage). */
async function readInputFile(file: string, { cwd, what, limit = DEFAULT_LIMIT }: ReadFileOptions): Promise<Uint8Array> {
  const path = resolve(cwd, file);
  try {
    const { size } = await stat(path);
    if (size > limit) {
      throw usageError("FILE_TOO_LARGE", `${what}: ${file} has ${size} bytes, more than the ${limit} allowed`);
    }
    return await readFile(path);
  } catch (error) {
    const why = REASONS[errnoOf(error) ?? ""];
    if (why === undefined) throw error;
    throw usageError("FILE_UNREADABLE", `${what}: cannot read ${file}: ${why}`, { cause: error });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  ELOOP: "too many links",
  ENAMETOOLONG: "the name is too long",
};
