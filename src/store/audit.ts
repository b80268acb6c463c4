import type { Descriptor } from "../domain/descriptor.ts";
import { WasmeError } from "../domain/errors.ts";
import type { ParsedManifest } from "../domain/manifest.ts";
import { type IndexEntry, readIndex } from "./index-file.ts";
import { checkLayout, type LayoutPaths } from "./layout.ts";
import { markReachable } from "./mark.ts";
import { type StoredFile, storedFiles } from "./stored-files.ts";
import { BlobHasher, faultsOf, type StoreFault } from "./verify-entry.ts";

/** How many files there are and what they take. */
export interface FileCount {
  readonly files: number;
  readonly bytes: number;
}

/** What an audit found. */
export interface StoreAudit {
  /** In the order of the index. */
  readonly entries: readonly AuditedEntry[];
  /** Blobs that were read. */
  readonly read: FileCount;
  /** Blobs no entry reaches: harmless, a clean-up removes them. `undefined` when that was not asked or cannot be told. */
  readonly unnamed: FileCount | undefined;
  /** What interrupted writers left behind: harmless, a clean-up removes it. */
  readonly unfinished: FileCount;
  /** Paths of files that do not belong: harmless. */
  readonly strays: readonly string[];
  /** What is wrong with the layout itself, and with blobs no entry reaches. */
  readonly faults: readonly MendableFault[];
}

/** What is wrong beside the images, and what to do about it. */
export interface MendableFault extends StoreFault {
  readonly mend: string;
}

/** One name, and what is wrong with it: empty for an intact image. */
export interface AuditedEntry {
  readonly reference: string;
  readonly descriptor: Descriptor | undefined;
  readonly faults: readonly StoreFault[];
}

/** What to read. */
export interface AuditOptions {
  /** Only what these names need, exactly as they stand in the store; default everything there is. */
  readonly references?: readonly string[] | undefined;
  /** Hears how many bytes were read so far, and how many there are where that is known. */
  readonly tell?: (done: number, total: number | undefined) => void;
  readonly signal?: AbortSignal | undefined;
}

type ReadManifest = (descriptor: Descriptor) => Promise<ParsedManifest>;

/**
 * Reads and hashes what is stored, or what some names need. Writes nothing and takes no lock; another process may
 * remove or replace images meanwhile, so what looks damaged is looked at again before it is reported.
 * Throws `STORE_UNSUPPORTED` (failed) for a layout of another version.
 */
export async function auditStore(
  paths: LayoutPaths,
  readManifest: ReadManifest,
  options: AuditOptions = {},
): Promise<StoreAudit> {
  const { references, tell, signal } = options;
  const files = references === undefined ? await allFiles(paths) : [];
  const blobs = files.filter((file) => file.kind === "blob");
  const total = references === undefined ? sizeOf(blobs) : undefined;
  const hasher = new BlobHasher(paths, { tell: (done) => tell?.(done, total), signal });
  await hashAll(blobs, hasher);
  const { entries, faults, isReadable } = await readEntries(paths, files.length > 0);
  const wanted = references === undefined ? entries : entries.filter((each) => references.includes(each.reference));
  const audited: AuditedEntry[] = [];
  for (const entry of wanted) {
    const found = await auditEntry(entry, hasher, readManifest);
    if (found.faults.length === 0) audited.push(found);
    else audited.push(...(await lookAgain(entry, { paths, readManifest, signal })));
  }
  const unnamed = references === undefined && isReadable ? await findUnnamed(blobs, entries, readManifest) : undefined;
  return {
    entries: audited,
    read: { files: hasher.blobs, bytes: hasher.bytes },
    unnamed: unnamed && countOf(unnamed),
    unfinished: countOf(files.filter((file) => file.kind === "unfinished")),
    strays: files.filter((file) => file.kind === "stray").map((file) => file.path),
    faults: [...faults, ...(await faultsOfUnnamed(unnamed ?? [], hasher))],
  };
}

async function allFiles(paths: LayoutPaths): Promise<readonly StoredFile[]> {
  const files: StoredFile[] = [];
  for await (const file of storedFiles(paths)) files.push(file);
  return files;
}

/** A few files at a time: hashing is one thread's work, more would only take memory. */
async function hashAll(blobs: readonly StoredFile[], hasher: BlobHasher): Promise<void> {
  const waiting = blobs.toReversed();
  const work = async (): Promise<void> => {
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
      if (file.digest !== undefined) await hasher.hash(file.digest);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

interface Names {
  readonly entries: readonly IndexEntry[];
  readonly faults: readonly MendableFault[];
  /** False when the index is so damaged that no name is known. */
  readonly isReadable: boolean;
}

/** The names, and what is wrong with the files that hold them. */
async function readEntries(paths: LayoutPaths, isUsed: boolean): Promise<Names> {
  const faults: MendableFault[] = [];
  try {
    const isLayout = await checkLayout(paths);
    const { entries } = await readIndex(paths);
    if (!isLayout && (isUsed || entries.length > 0))
      faults.push({ message: `${paths.marker} is missing`, mend: MARKER });
    for (const name of repeated(entries))
      faults.push({ message: `${paths.index} names ${name} more than once`, mend: TWICE });
    return { entries, faults, isReadable: true };
  } catch (error) {
    if (!(error instanceof WasmeError) || error.code === "STORE_UNSUPPORTED") throw error;
    return { entries: [], faults: [{ message: error.message, mend: error.hint ?? "" }], isReadable: false };
  }
}

function repeated(entries: readonly IndexEntry[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const { reference } of entries) (seen.has(reference) && reference !== "" ? twice : seen).add(reference);
  return twice;
}

async function auditEntry(entry: IndexEntry, hasher: BlobHasher, readManifest: ReadManifest): Promise<AuditedEntry> {
  const { reference, descriptor } = entry;
  return { reference, descriptor, faults: await faultsOf(entry, hasher, readManifest) };
}

/** Judges an entry anew, if it still is what it was. */
async function lookAgain(
  entry: IndexEntry,
  store: { readonly paths: LayoutPaths; readonly readManifest: ReadManifest; readonly signal: AbortSignal | undefined },
): Promise<readonly AuditedEntry[]> {
  const { paths, readManifest, signal } = store;
  const { entries } = await readEntries(paths, true);
  const same = entries.find(({ reference, descriptor }) => {
    return reference === entry.reference && descriptor?.digest === entry.descriptor?.digest;
  });
  return same === undefined ? [] : [await auditEntry(same, new BlobHasher(paths, { signal }), readManifest)];
}

/** Blobs no entry reaches; `undefined` while a damaged entry hides what it needs. */
async function findUnnamed(
  blobs: readonly StoredFile[],
  entries: readonly IndexEntry[],
  readManifest: ReadManifest,
): Promise<readonly StoredFile[] | undefined> {
  const { reached, fault } = await markReachable(entries, readManifest);
  return fault === undefined ? blobs.filter(({ digest }) => digest !== undefined && !reached.has(digest)) : undefined;
}

async function faultsOfUnnamed(unnamed: readonly StoredFile[], hasher: BlobHasher): Promise<readonly MendableFault[]> {
  const faults: MendableFault[] = [];
  for (const { digest } of unnamed) {
    const blob = digest && (await hasher.hash(digest));
    if (digest === undefined || blob?.fault === undefined) continue;
    faults.push({ digest, message: `${blob.fault}; no image needs it`, mend: UNNAMED });
  }
  return faults;
}

function countOf(files: readonly StoredFile[]): FileCount {
  return { files: files.length, bytes: sizeOf(files) };
}

function sizeOf(files: readonly StoredFile[]): number {
  return files.reduce((sum, file) => sum + file.size, 0);
}

const AT_ONCE = 4;
const MARKER = "any command that stores something makes it again, such as wasme tag";
const TWICE = "name it anew with wasme tag or wasme pull, which leaves one entry";
const UNNAMED = "remove it with: wasme store prune --grace 0";
