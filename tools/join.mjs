/**
 * Joins the program and the threads of `wasme test` and of checks into a file each, and keeps the code the engine makes of them
 * (decision 7). The last step of `npm run build`; `bin/joined.cjs` loads the result.
 */
import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const require = createRequire(import.meta.url);
const threads = require("node:worker_threads");
const loader = fileURLToPath(new URL("../bin/joined.cjs", import.meta.url));
const { cacheOf, codeOf, compile, load, loaded } = require(loader);
const source = fileURLToPath(new URL("../src/", import.meta.url));
const output = fileURLToPath(new URL("../dist/", import.meta.url));

const filter = fileURLToPath(new URL("../test/fixtures/filters/c-hello/filter.wasm", import.meta.url));

const TEST = `
filter: { module: ${JSON.stringify(filter)}, rootId: add_header }
tests:
  - { name: one, request: { path: / }, expect: { response: { status: 200, headers: { hello: world } } } }
`;

/** In a thread: writes down its code when asked. */
const KEEP = `{
  const { writeFileSync } = require("node:fs");
  const { cacheOf, codeOf, loaded } = require(${JSON.stringify(loader)});
  const channel = new BroadcastChannel("keep");
  channel.onmessage = () => {
    for (const { file, source, script } of loaded) writeFileSync(cacheOf(file, source), codeOf(script));
    channel.postMessage("");
  };
}`;

/** What is joined, and what each loads later that every test needs. */
const FILES = {
  "cli/main": [
    "cli/execute",
    "cli/commands/test",
    "sandbox/test/find-module",
    "sandbox/test/run-tests",
    "sandbox/test/report-json",
    "sandbox/test/report-text",
  ],
  "sandbox/test/test-worker": [],
  "images/smoke-worker": [],
};

for (const [name, more] of Object.entries(FILES)) await joinFile(name, more);
await warm();
keep(loaded);

async function joinFile(name, more) {
  const folder = join(output, "joined", basename(name));
  const draft = `${folder}.${process.pid}`;
  const grouped = new Set([name, ...more].map((one) => join(source, `${one}.ts`)));
  const bundle = await rolldown({
    input: { index: join(source, `${name}.ts`) },
    platform: "node",
    external: (id) => /^[^./]/u.test(id) && id !== "commander",
    plugins: [placed(folder)],
    checks: { ineffectiveDynamicImport: false },
  });
  await bundle.write({
    dir: draft,
    format: "cjs",
    comments: false,
    minifyInternalExports: false,
    // What is grouped with others leaves a file without code behind.
    entryFileNames: more.length === 0 ? "all.cjs" : "[name].cjs",
    chunkFileNames: "[name].cjs",
    codeSplitting: { groups: [{ name: "all", test: (id) => grouped.has(id), includeDependenciesRecursively: true }] },
  });
  await bundle.close();
  const code = importing(ascii(readFileSync(join(draft, "all.cjs"), "utf8")));
  const mark = createHash("sha256").update(code).digest("hex").slice(0, 16);
  const text = `${code}// ${mark}\n`;
  const file = join(folder, "all.cjs");
  writeFileSync(join(draft, "all.cjs"), text);
  writeFileSync(join(draft, basename(cacheOf(file, text))), codeOf(compile(file, text)));
  copyFileSync(
    fileURLToPath(new URL("../node_modules/commander/LICENSE", import.meta.url)),
    join(draft, "commander.LICENSE"),
  );
  rmSync(folder, { recursive: true, force: true });
  renameSync(draft, folder);
}

/** Every module believes to be where the compiler wrote it: what it finds beside itself it finds still. */
function placed(folder) {
  return {
    name: "placed",
    transform: (text, id) => {
      if (!text.includes("import.meta.url")) return undefined;
      // The one package that every command needs is joined, too, with its licence beside it.
      const code = text.replace(`createRequire(import.meta.url)("commander")`, `require("commander")`);
      const own = join(output, relative(source, id)).replace(/\.ts$/u, ".js");
      const url = `new URL(${JSON.stringify(relative(folder, own))}, import.meta.url).href`;
      return code.replaceAll("import.meta.url", url);
    },
  };
}

/** Code that the engine kept cannot `import`: Node knows such a script no more. */
function importing(code) {
  return code.replaceAll(/\bimport\(("[^"]+")\)/gu, `require("../../../bin/joined.cjs").importPackage($1)`);
}

/** Engines read text of one byte a character fastest. */
function ascii(code) {
  return code.replaceAll(/[^\0-\x7f]/gu, (text) =>
    Array.from({ length: text.length }, (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`).join(""),
  );
}

/** Runs a test, so that the engine compiles what that takes; its thread is asked for its code before it ends. */
async function warm() {
  const { Worker } = threads;
  threads.Worker = class extends Worker {
    constructor(code, options) {
      super(`${KEEP}${code}`, options);
    }
    async terminate() {
      const channel = new BroadcastChannel("keep");
      const kept = new Promise((resolve) => channel.addEventListener("message", resolve, { once: true }));
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has no origin
      channel.postMessage("");
      await kept;
      channel.close();
      return await super.terminate();
    }
  };
  const folder = mkdtempSync(join(tmpdir(), "wasme-join-"));
  try {
    const file = join(folder, "one.test.yaml");
    writeFileSync(file, TEST);
    const { main } = load(join(output, "cli/main.js"));
    const io = { env: { HOME: folder }, stdin: process.stdin, stdout: sink(), stderr: process.stderr, cwd: folder };
    const code = await main(["test", file], io);
    if (code !== 0) throw new Error(`wasme test, joined, ended with ${code}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function sink() {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

function keep(files) {
  for (const { file, source: text, script } of files) writeFileSync(cacheOf(file, text), codeOf(script));
}
