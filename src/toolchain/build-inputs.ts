import type { Dirent } from "node:fs";
import { lstat, readdir, readFile, realpath, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { type Digest, digestOf, startDigest } from "../domain/digest.ts";

/** What a hash over the inputs of a build takes in. */
export interface InputsRequest {
  /** The project's folder, absolute. */
  readonly folder: string;
  /** Whether a file is hashed; its path is relative to the folder, with `/`. Default: every file. */
  readonly include?: (path: string) => boolean;
  /** Everything else that decides the result: compiler and version, arguments, hashes of files outside the folder. */
  readonly parts: readonly string[];
}

/** The inputs of a build. */
export interface BuildInputs {
  readonly hash: Digest;
  /** The files hashed, absolute. */
  readonly files: ReadonlySet<string>;
}

/**
 * Hashes the contents of a project and what else decides the result of its build. Folders that hold no sources
 * ({@link NO_SOURCES}) are left out. `undefined` when the inputs cannot be known in full: a link to a folder, more
 * than 10 000 files or 64 MiB, a file that cannot be read.
 */
export async function hashInputs(request: InputsRequest): Promise<BuildInputs | undefined> {
  const { folder, include = () => true, parts } = request;
  const names = await sourceFiles(folder);
  const files = names?.filter((name) => include(name));
  if (files === undefined) return undefined;
  const hash = startDigest();
  const add = (text: string): void => hash.update(Buffer.from(`${Buffer.byteLength(text)}:${text}`));
  parts.forEach((part) => add(part));
  let size = 0;
  for (const name of files) {
    const bytes = await readFile(join(folder, name)).catch(() => undefined);
    size += bytes?.length ?? 0;
    if (bytes === undefined || size > MAX_SIZE) return undefined;
    add(name);
    add(digestOf(bytes));
  }
  return { hash: hash.digest(), files: new Set(files.map((name) => join(folder, name))) };
}

/**
 * A cheap stamp of a folder that tools fill and nobody edits (`node_modules`): names, sizes and times of all files.
 * It differs after every change, and also after the same was installed anew. `undefined` when it cannot be told: no
 * folder, a link that leads out of it, more than 20 000 files.
 */
export async function stampOf(folder: string): Promise<Digest | undefined> {
  const root = await realpath(folder).catch(() => undefined);
  if (root === undefined) return undefined;
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => undefined);
  if (entries === undefined || entries.length > MAX_STAMPED) return undefined;
  const lines = await Promise.all(entries.map(async (entry) => await stampLine(root, entry)));
  const known = lines.filter((line) => line !== undefined);
  return known.length < lines.length ? undefined : digestOf(known.toSorted(byText).join("\n"));
}

async function stampLine(root: string, entry: Dirent): Promise<string | undefined> {
  const path = join(entry.parentPath, entry.name);
  if (entry.isDirectory()) return relative(root, path);
  if (entry.isSymbolicLink()) {
    const target = await realpath(path).catch(() => undefined);
    if (target?.startsWith(root + sep) !== true || (await stat(target)).isDirectory()) return undefined;
  }
  const found = await lstat(path, { bigint: true }).catch(() => undefined);
  return found === undefined ? undefined : `${relative(root, path)} ${found.size} ${found.mtimeNs}`;
}

/** Every file of the project in a fixed order, relative with `/`; `undefined` when there are too many or links to folders. */
async function sourceFiles(folder: string): Promise<readonly string[] | undefined> {
  const files: string[] = [];
  const folders = [""];
  for (let at = folders.pop(); at !== undefined; at = folders.pop()) {
    const entries = await readdir(join(folder, at), { withFileTypes: true }).catch(() => undefined);
    if (entries === undefined || files.length > MAX_FILES) return undefined;
    for (const entry of entries.filter(({ name }) => !NO_SOURCES.has(name))) {
      const path = at === "" ? entry.name : `${at}/${entry.name}`;
      const linked = entry.isSymbolicLink() ? await stat(join(folder, path)).catch(() => undefined) : undefined;
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile() || linked?.isFile() === true) files.push(path);
      else if (entry.isSymbolicLink()) return undefined;
    }
  }
  return files.toSorted(byText);
}

function byText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** Folders that no compiler reads, or (`node_modules`) that are known by {@link stampOf}. */
const NO_SOURCES: ReadonlySet<string> = new Set([".git", ".hg", ".svn", "node_modules"]);

const MAX_FILES = 10_000;
const MAX_SIZE = 64 * 1024 * 1024;
const MAX_STAMPED = 20_000;
