import { readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { gunzipSync } from "node:zlib";
import { Parser } from "tar";

/** A file of an image, as the last layer that has it says. */
export interface ImageEntry {
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly mtime: number | undefined;
  readonly target: string;
  readonly content: Buffer;
}

/** One architecture's image out of a layout. */
export interface ReadImage {
  readonly manifestDigest: string;
  readonly manifest: { readonly layers: readonly { readonly digest: string }[]; readonly config: { digest: string } };
  readonly config: {
    readonly architecture: string;
    readonly created: string;
    readonly config: Record<string, unknown>;
    readonly rootfs: { readonly diff_ids: readonly string[] };
  };
  readonly files: ReadonlyMap<string, ImageEntry>;
}

/** Reads the image of an architecture with all its files. */
export async function readImage(folder: string, architecture: string): Promise<ReadImage> {
  const json = (digest: string): never => JSON.parse(blob(folder, digest).toString()) as never;
  const top = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as { manifests: { digest: string }[] };
  const index: { manifests: { digest: string; platform: { architecture: string } }[] } = json(
    top.manifests[0]?.digest ?? "",
  );
  const found = index.manifests.find(({ platform }) => platform.architecture === architecture);
  if (found === undefined) throw new Error(`no image for ${architecture}`);
  const manifest: ReadImage["manifest"] = json(found.digest);
  const files = new Map<string, ImageEntry>();
  for (const { digest } of manifest.layers) await readLayer(gunzipSync(blob(folder, digest)), files);
  return { manifestDigest: found.digest, manifest, config: json(manifest.config.digest), files };
}

/** A blob of a layout. */
export function blob(folder: string, digest: string): Buffer {
  return readFileSync(blobFile(folder, digest));
}

/** Where a layout keeps a blob. */
export function blobFile(folder: string, digest: string): string {
  return join(folder, "blobs", digest.replace(":", "/"));
}

async function readLayer(archive: Buffer, files: Map<string, ImageEntry>): Promise<void> {
  const parser = new Parser({ strict: true });
  const ended = new Promise<void>((resolve, reject) => {
    parser.on("end", resolve);
    parser.on("error", reject);
  });
  parser.on("entry", (entry) => {
    const pieces: Buffer[] = [];
    entry.on("data", (piece: Uint8Array) => pieces.push(Buffer.from(piece)));
    entry.on("end", () => {
      const { type, mode = 0, uid = -1, mtime, linkpath = "" } = entry;
      const path = entry.path.replace(/\/$/u, "");
      files.set(path, { type, mode, uid, mtime: mtime?.getTime(), target: linkpath, content: Buffer.concat(pieces) });
    });
  });
  parser.end(archive);
  await ended;
}

/** The path in the image that a path leads to, links followed; undefined when there is nothing. */
export function follow(files: ReadImage["files"], path: string): string | undefined {
  const entry = files.get(path);
  if (entry === undefined || entry.type !== "SymbolicLink") return entry === undefined ? undefined : path;
  const target = posix.isAbsolute(entry.target) ? entry.target.slice(1) : posix.join(posix.dirname(path), entry.target);
  return follow(files, target);
}

/** What an ELF file (64 bit, little endian) says of itself; undefined for another file. */
export interface ElfFacts {
  /** `e_machine`: 62 for amd64, 183 for arm64. */
  readonly machine: number;
  readonly interpreter: string | undefined;
  /** The libraries that have to be there. */
  readonly needed: readonly string[];
}

/** Reads program headers and the dynamic segment (System V ABI, chapter 5): there may be no section headers. */
export function readElf(bytes: Buffer): ElfFacts | undefined {
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const word = (at: number): number => Number(bytes.readBigUInt64LE(at));
  const headers = Array.from({ length: bytes.readUInt16LE(56) }, (_, n) => word(32) + n * bytes.readUInt16LE(54)).map(
    (at) => ({ type: bytes.readUInt32LE(at), offset: word(at + 8), address: word(at + 16), size: word(at + 32) }),
  );
  const text = (at: number): string => bytes.toString("latin1", at, bytes.indexOf(0, at));
  const interpreter = headers.find(({ type }) => type === PT_INTERP);
  const dynamic = headers.find(({ type }) => type === PT_DYNAMIC);
  const tags = dynamic === undefined ? [] : dynamicTags(dynamic, word);
  const strings = tags.find(([tag]) => tag === DT_STRTAB)?.[1] ?? 0;
  const inFile = headers.find(
    ({ type, address, size }) => type === PT_LOAD && strings >= address && strings < address + size,
  );
  const table = strings - (inFile?.address ?? 0) + (inFile?.offset ?? 0);
  return {
    machine: bytes.readUInt16LE(18),
    interpreter: interpreter === undefined ? undefined : text(interpreter.offset),
    needed: tags.filter(([tag]) => tag === DT_NEEDED).map(([, at]) => text(table + at)),
  };
}

function dynamicTags(
  { offset, size }: { readonly offset: number; readonly size: number },
  word: (at: number) => number,
): readonly (readonly [number, number])[] {
  return Array.from({ length: size / 16 }, (_, n) => offset + n * 16).map((at) => [word(at), word(at + 8)] as const);
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
