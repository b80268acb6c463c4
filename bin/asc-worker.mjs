// Runs the AssemblyScript compiler of a project in a worker thread: it may take seconds, change its own global state,
// load the project's transforms or end its process, and none of that may reach the command line around it.
// Plain JavaScript, because it is started by file name from the sources as well as from the compiled program.
import { readdir, readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parentPort, workerData } from "node:worker_threads";

const { api, argv, folder } = workerData;
const sources = new Map();
const files = new Set();
const diagnostics = [];
let wasm;

// By the compiler's own numbers (DiagnosticCategory).
const SEVERITY = ["info", "info", "warning", "error"];

const { main } = await import(api);
const result = await run();
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
parentPort.postMessage({ wasm, diagnostics, files: [...files], ...result });

async function run() {
  try {
    const { error, stderr } = await main([...argv], {
      readFile: read,
      writeFile: write,
      listFiles: list,
      reportDiagnostic,
    });
    return { error: error?.message, text: String(stderr) };
  } catch (error) {
    return { error: String(error?.message ?? error), text: "" };
  }
}

async function read(name, base) {
  try {
    const path = resolve(folder, base, name);
    const text = await readFile(path, "utf8");
    files.add(path);
    sources.set(name.replaceAll("\\", "/"), text);
    return text;
  } catch {
    return null;
  }
}

// Only the module is wanted: text, source maps and bindings are not, and nothing is written to the project.
function write(name, contents) {
  if (name.endsWith(".wasm") && typeof contents !== "string") wasm = Uint8Array.from(contents);
}

async function list(name, base) {
  const names = await readdir(resolve(folder, base, name)).catch(() => null);
  return names?.filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts")) ?? null;
}

function reportDiagnostic({ message, code, category, range }) {
  const file = range?.source?.normalizedPath;
  const before = file === undefined ? undefined : sources.get(file)?.slice(0, range.start).split("\n");
  const place = before === undefined ? {} : { line: before.length, column: before.at(-1).length + 1 };
  diagnostics.push({
    message,
    code,
    severity: SEVERITY[category] ?? "info",
    ...(file === undefined ? {} : { file }),
    ...place,
  });
}
