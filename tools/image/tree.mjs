/**
 * The files of a layer: paths without a leading slash, each with its type, mode and owner; written as a tar archive that is
 * the same for the same files, and read from one.
 */
import { once } from "node:events";
import { posix } from "node:path";
import { Header, Parser, Pax } from "tar";

/** A folder; 0755 unless told otherwise. */
export function folder(mode = 0o755, owner = 0) {
  return { type: "Directory", mode, owner, content: Buffer.alloc(0) };
}

/** A file; readable by everybody. */
export function file(content, mode = 0o644) {
  return { type: "File", mode, owner: 0, content: Buffer.from(content) };
}

/**
 * The archive (POSIX ustar, pax for long names) of a `Map` of path to entry. Sorted by path, with every folder on the way,
 * all of one time, owners by number only.
 */
export function packTree(tree, mtime) {
  const blocks = [];
  for (const [path, entry] of withParents(tree)) {
    const { type, mode, owner, content, target } = entry;
    const named = type === "Directory" ? `${path}/` : path;
    const fields = { path: named, mode, uid: owner, gid: owner, size: content.length, mtime, type, linkpath: target };
    const block = Buffer.alloc(BLOCK);
    const tooLong = new Header(fields).encode(block, 0);
    if (tooLong) blocks.push(new Pax({ path: named, linkpath: target }).encode());
    blocks.push(block, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK));
  }
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

/**
 * The tree in an archive, packed or not, whose entries pass `wanted(path)`. Refuses what no image of ours may hold: devices,
 * pipes, and files that run as somebody else.
 */
export async function unpackTree(archive, wanted) {
  const tree = new Map();
  const parser = new Parser({ strict: true });
  parser.on("entry", (entry) => {
    const path = posix.normalize(entry.path).replace(/^\.?\/|\/$/gu, "");
    if (path === "" || path === "." || !wanted(path)) return entry.resume();
    const pieces = [];
    entry.on("data", (piece) => pieces.push(piece));
    entry.on("end", () => tree.set(path, entryOf(path, entry, Buffer.concat(pieces))));
  });
  const ended = once(parser, "end");
  parser.end(archive);
  await ended;
  return tree;
}

function entryOf(path, { type, mode, linkpath }, content) {
  if (!TYPES.has(type)) throw new Error(`${path} is a ${type}, which has no place in the image`);
  if ((mode & SET_ID) !== 0) throw new Error(`${path} runs as its owner (mode ${mode.toString(8)})`);
  if (type === "SymbolicLink") return { type, mode: 0o777, owner: 0, content, target: linkpath };
  return { type: type === "Directory" ? type : "File", mode: mode & 0o1777, owner: 0, content };
}

function withParents(tree) {
  const all = new Map(tree);
  for (const path of tree.keys()) {
    for (let up = posix.dirname(path); up !== "."; up = posix.dirname(up)) if (!all.has(up)) all.set(up, folder());
  }
  return [...all].toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

const BLOCK = 512;
const SET_ID = 0o6000;
const TYPES = new Set(["File", "OldFile", "Directory", "SymbolicLink"]);
