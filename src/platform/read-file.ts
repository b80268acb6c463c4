import { open } from "node:fs/promises";
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
  const { cwd, what, limit = DEFAULT_LIMIT } = options;
  try {
    const bytes = await readAtMost(resolve(cwd, file), limit);
    if (bytes !== undefined) return Buffer.from(bytes).toString("utf8");
  } catch (error) {
    const why = unreadable(error);
    if (why === undefined) throw error;
    throw usageError("FILE_UNREADABLE", `${what}: cannot read ${file}: ${why}`, { cause: error });
  }
  throw usageError("FILE_TOO_LARGE", `${what}: ${file} has more than the ${limit} bytes allowed`);
}

/**
 * The bytes of a file, `undefined` when there are more than `limit`. Pipes and devices tell no size, and may have no
 * end: of those never more is read. Throws Node's own errors.
 */
export async function readAtMost(path: string, limit: number): Promise<Uint8Array | undefined> {
  const handle = await open(path, "r");
  try {
    const found = await handle.stat();
    if (found.size > limit) return undefined;
    if (found.isFile() && found.size > 0) return await handle.readFile();
    const chunks: Buffer[] = [];
    for await (const chunk of handle.createReadStream({ end: limit, autoClose: false })) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    return bytes.byteLength > limit ? undefined : bytes;
  } finally {
    await handle.close();
  }
}

/** Why a file cannot be read, in words, where the user can do something about it. */
export function unreadable(error: unknown): string | undefined {
  return REASONS[errnoOf(error) ?? ""];
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
