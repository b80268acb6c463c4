import { readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, digestOf, digestParts, isDigest } from "../domain/digest.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { TEMPORARY_PREFIX, writeError, writeFileAtomic } from "../platform/atomic-file.ts";
import type { ToolchainDeps } from "./runner.ts";

/** One build whose result may be there already. */
export interface CachedBuildRequest {
  /** Hash over everything that decides the result (`hashInputs`); `undefined`: not known in full, so always build. */
  readonly key: Digest | undefined;
  /** Where the module belongs. */
  readonly modulePath: string;
}

/** What a build leaves in the cache beside the module. */
export interface MadeModule {
  /** False when it turned out that the key did not cover all that was read: nothing is kept. */
  readonly keep: boolean;
  /** Words about the build that a later one should know without building: the optimizer that ran. */
  readonly notes: Readonly<Record<string, string>>;
}

/** How the module came to its place. */
export interface CachedBuild {
  /** True when it was taken from the cache. */
  readonly hit: boolean;
  readonly notes: Readonly<Record<string, string>>;
}

/**
 * Builds unless the same was built before: a module is kept in `$WASME_HOME/cache/builds` under the hash of its
 * inputs. `make` writes the module to `modulePath`. An entry whose bytes do not have the digest written with them is a
 * miss and is made anew; entries appear whole, by a rename, and those used longest ago go when all together have more
 * than `limit` bytes (default 512 MiB). A cache that cannot be written costs time, not the build. Throws what `make`
 * throws, and `DISK_FULL` and the like for the module itself.
 */
export async function cachedBuild(
  deps: Pick<ToolchainDeps, "paths">,
  { key, modulePath }: CachedBuildRequest,
  make: () => Promise<MadeModule>,
  limit: number = DEFAULT_LIMIT,
): Promise<CachedBuild> {
  const folder = buildsFolder(deps.paths.home);
  const path = key === undefined ? undefined : join(folder, digestParts(key).hex);
  const entry = path === undefined ? undefined : await readEntry(path);
  if (path !== undefined && entry !== undefined) {
    await writeFile(modulePath, entry.module).catch((error: unknown) => {
      throw writeError(error, modulePath);
    });
    const now = new Date();
    await utimes(path, now, now).catch(() => undefined);
    return { hit: true, notes: entry.notes };
  }
  const { keep, notes } = await make();
  if (path !== undefined && keep) {
    await writeEntry(path, { module: await readFile(modulePath), notes }).catch(() => undefined);
    await shrink(folder, limit).catch(() => undefined);
  }
  return { hit: false, notes };
}

/** Where results of builds are kept; what is used least there goes first when it grows too big. */
export function buildsFolder(home: string): string {
  return join(home, "cache", "builds");
}

interface Entry {
  readonly module: Uint8Array;
  readonly notes: Readonly<Record<string, string>>;
}

/** An entry is one file: a line of JSON, then the module. */
async function writeEntry(path: string, { module, notes }: Entry): Promise<void> {
  const head = Buffer.from(`${JSON.stringify({ digest: digestOf(module), notes })}\n`);
  await writeFileAtomic(path, Buffer.concat([head, module]));
}

async function readEntry(path: string): Promise<Entry | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  const end = bytes?.indexOf(0x0a) ?? -1;
  if (bytes === undefined || end === -1) return undefined;
  const head = tryParseJson(bytes.toString("utf8", 0, end));
  if (!isObject(head) || typeof head["digest"] !== "string" || !isDigest(head["digest"])) return undefined;
  const { digest, notes } = head;
  const module = bytes.subarray(end + 1);
  if (!isObject(notes) || digestOf(module) !== digest) return undefined;
  const texts = Object.entries(notes).filter((note): note is [string, string] => typeof note[1] === "string");
  return { module, notes: Object.fromEntries(texts) };
}

/** Removes what was used longest ago until the rest fits; and what a killed process left unfinished, after a day. */
async function shrink(folder: string, limit: number): Promise<void> {
  const names = await readdir(folder);
  const found = await Promise.all(
    names.map(async (name) => ({ name, stats: await stat(join(folder, name)).catch(() => undefined) })),
  );
  let total = 0;
  const newest = found.toSorted((a, b) => (b.stats?.mtimeMs ?? 0) - (a.stats?.mtimeMs ?? 0));
  for (const { name, stats } of newest) {
    total += stats?.size ?? 0;
    const unfinished = name.startsWith(TEMPORARY_PREFIX) || name.endsWith(".lock");
    const gone = unfinished ? Date.now() - (stats?.mtimeMs ?? 0) > DAY : total > limit;
    if (gone) await rm(join(folder, name), { force: true });
  }
}

const DEFAULT_LIMIT = 512 * 1024 * 1024;
const DAY = 24 * 3600 * 1000;
