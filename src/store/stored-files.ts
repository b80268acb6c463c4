import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, isDigest } from "../domain/digest.ts";
import { errnoOf } from "../domain/errors.ts";
import { TEMPORARY_PREFIX } from "../platform/atomic-file.ts";
import { type LayoutPaths, storeUnreadable } from "./layout.ts";

/** A file of the store beside its index: content, what a writer did not finish, or something that does not belong. */
export interface StoredFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** When it was last touched, milliseconds since the epoch. */
  readonly touched: number;
  readonly kind: "blob" | "unfinished" | "stray";
  /** Of a blob: what its name says. */
  readonly digest: Digest | undefined;
}

/** Goes through the store's files, those of `blobs/` and the unfinished ones; what vanishes meanwhile is left out. */
export async function* storedFiles(paths: LayoutPaths): AsyncGenerator<StoredFile> {
  const folders = [
    { dir: paths.ingest, algorithm: undefined },
    { dir: join(paths.blobs, "sha256"), algorithm: "sha256" },
    { dir: join(paths.blobs, "sha512"), algorithm: "sha512" },
    { dir: paths.dir, algorithm: undefined },
  ];
  for (const { dir, algorithm } of folders) {
    for (const name of await namesIn(dir)) {
      const isUnfinished = name.startsWith(TEMPORARY_PREFIX);
      if (algorithm === undefined && !isUnfinished) continue;
      const path = join(dir, name);
      const found = await stat(path).catch(() => undefined);
      if (found === undefined) continue;
      const named = `${algorithm ?? ""}:${name}`;
      const digest = found.isFile() && isDigest(named) ? named : undefined;
      const other = isUnfinished && found.isFile() ? "unfinished" : "stray";
      const kind = digest === undefined ? other : "blob";
      yield { path, size: found.size, touched: found.mtimeMs, kind, digest };
    }
  }
}

async function namesIn(dir: string): Promise<readonly string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw storeUnreadable(dir, error);
  }
}
