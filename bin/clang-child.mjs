// Runs npm clang on a project's files: node --liftoff-only clang-child.mjs JOB-FILE. A process of its own, because the
// compiler is WebAssembly that takes half a gigabyte and blocks its thread; started by file name from the sources as
// well as from the compiled program, so it is plain JavaScript.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { entry, folder, files, steps, output, modulePath } = JSON.parse(await readFile(process.argv[2], "utf8"));
console.log = () => undefined; // oxlint-disable-line no-console -- npm clang reports how it reads its 105 MB, whatever callbacks it has
const [{ runClang }, project] = await Promise.all([import(pathToFileURL(entry).href), readTree()]);
const options = { stdout: write, stderr: write, fetchProgress: () => undefined };
let root = insert(project, output.split("/").slice(0, -1), {});
try {
  for (const { c, args } of steps)
    root = { ...root, ...(await runClang([c ? "clang" : "clang++", ...args], root, options)) };
  await writeFile(
    modulePath,
    output.split("/").reduce((at, name) => at[name], root),
  );
} catch (error) {
  if (typeof error.code !== "number") throw error; // not the compiler's exit
  process.exitCode = error.code;
}

function write(bytes) {
  if (bytes !== null) process.stderr.write(bytes);
}

/** The project as the compiler takes it: folders are objects, files their bytes. */
async function readTree() {
  const tree = {};
  const contents = await Promise.all(files.map((file) => readFile(join(folder, file))));
  files.forEach((file, index) => insert(tree, file.split("/"), new Uint8Array(contents[index])));
  return tree;
}

function insert(tree, path, content) {
  const parent = path.slice(0, -1).reduce((at, name) => (at[name] ??= {}), tree);
  parent[path.at(-1)] = content;
  return tree;
}
