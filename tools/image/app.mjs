/** The app layer: what `npm pack` would publish, with its production dependencies as the lock file pins them. */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { run } from "./run.mjs";
import { file, unpackTree } from "./tree.mjs";

/** Where the program is in the image. */
const HOME = "usr/local/lib/wasme";

/** `#!/usr/bin/env node` needs an `env`, which is not there. */
const LAUNCHER = `#!/usr/local/bin/node\nrequire("/${HOME}/bin/wasme.js");\n`;

/** The files of the layer and the facts of its packages. `dist/` has to be built. */
export async function appLayer({ root }) {
  const base = await mkdtemp(join(tmpdir(), "wasme-image-app-"));
  try {
    const app = join(base, "app");
    const [own] = await Promise.all([packed(root, join(base, "pack")), installed(root, app)]);
    const tree = new Map([["usr/local/bin/wasme", file(LAUNCHER, 0o755)]]);
    for (const [path, entry] of own) add(tree, path.replace(/^package\//u, ""), entry);
    for (const path of await filesBelow(join(app, "node_modules"))) {
      add(tree, relative(app, path), file(await readFile(path)));
    }
    return { tree, facts: await packagesOf(app) };
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

/** The files that `npm pack` would publish. */
async function packed(root, folder) {
  await mkdir(folder);
  await run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", folder, root], { cwd: folder });
  const [archive] = await readdir(folder);
  const own = await unpackTree(await readFile(join(folder, archive)), () => true);
  if (!own.has("package/dist/cli/main.js")) throw new Error("dist/ is not built\nHint: npm run build");
  return own;
}

/** Installs the production dependencies into a folder. */
async function installed(root, folder) {
  await mkdir(folder);
  for (const name of ["package.json", "package-lock.json", ".npmrc"]) {
    await copyFile(join(root, name), join(folder, name)).catch((error) => {
      if (name !== ".npmrc") throw error;
    });
  }
  const plain = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-bin-links"];
  await run("npm", ["ci", "--omit=dev", ...plain], { cwd: folder });
}

function add(tree, path, entry) {
  if (!isWanted(path) || entry.type === "Directory") return;
  // Programs are started by the launcher: no file here needs to be more than readable.
  tree.set(`${HOME}/${path}`, { ...entry, mode: 0o644 });
}

/** No types, no maps, no notes for readers of the sources, no code of other engines, nor of the one that built it. */
function isWanted(path) {
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (path.startsWith("templates/")) return true;
  if (path.startsWith("dist/image/") || path.startsWith("dist/manifests/")) return false;
  if (name.endsWith(".node")) throw new Error(`${path} is for one architecture only`);
  if (/^(?:licen[cs]e|notice|copying)/iu.test(name)) return true;
  if (path.startsWith("node_modules/") && /\/(?:\.|tests?\/)/u.test(path)) return false;
  return !/\.(?:[cm]?ts|map|md|markdown|cache|bare|flow|tsbuildinfo)$/iu.test(name);
}

async function filesBelow(base) {
  const names = await readdir(base, { recursive: true });
  const files = [];
  for (const name of names) if ((await stat(join(base, name))).isFile()) files.push(join(base, name));
  return files.filter((path) => !path.endsWith("node_modules/.package-lock.json"));
}

/** Name, version, licence and hash of each production dependency. */
async function packagesOf(app) {
  const { packages } = JSON.parse(await readFile(join(app, "package-lock.json"), "utf8"));
  const there = JSON.parse(await readFile(join(app, "node_modules/.package-lock.json"), "utf8")).packages;
  return Object.keys(there).map((path) => {
    const { version, license, integrity } = packages[path];
    return {
      name: path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length),
      version,
      license,
      integrity,
    };
  });
}
