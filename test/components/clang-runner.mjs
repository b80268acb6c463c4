// Runs the clang of npm's @yowasp/clang on the files of a folder: node clang-runner.mjs PACKAGE-FILE FOLDER OUTPUT ARGUMENT...
// A program of its own because the compiler is WebAssembly that takes half a gigabyte and blocks its thread.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [packageFile, folder, output, ...args] = process.argv.slice(2);
console.log = () => undefined; // it reports how it reads itself, whatever callbacks it has
const { runClang } = await import(pathToFileURL(packageFile).href);
try {
  const files = await runClang(args, await tree(folder), { stderr: write, stdout: write, fetchProgress() {} });
  await writeFile(output, files["filter.wasm"]);
} catch (error) {
  if (typeof error.code !== "number") throw error; // not the compiler's exit
  process.exitCode = error.code;
}

function write(bytes) {
  if (bytes !== null) process.stderr.write(bytes);
}

/** The folder's files by name, as the compiler sees them. */
async function tree(path) {
  const entries = await readdir(path, { withFileTypes: true });
  const named = entries.map(async (entry) => {
    const inside = join(path, entry.name);
    return [entry.name, entry.isDirectory() ? await tree(inside) : new Uint8Array(await readFile(inside))];
  });
  return Object.fromEntries(await Promise.all(named));
}
