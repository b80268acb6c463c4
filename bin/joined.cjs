// Loads what `tools/join.mjs` joined into one file at the build, with the code the engine made of it then (decision 7).
// Plain JavaScript and CommonJS, because threads start with it too.
const { readFileSync, statSync } = require("node:fs");
const Module = require("node:module");
const { basename, dirname, join } = require("node:path");
const { Script } = require("node:vm");

/** Joined files of this thread, for the build. */
const loaded = [];

/** What a compiled file exports, from the joined file beside it; `undefined` when there is none as new. */
function load(path) {
  const joined = join(__dirname, "../dist/joined", basename(path, ".js"), "all.cjs");
  return isFresh(joined, path) ? loadJoined(joined) : undefined;
}

/** Whoever asks for source maps gets the files that have some. */
function isFresh(joined, file) {
  if (process.sourceMapsEnabled) return false;
  const made = statSync(joined, { throwIfNoEntry: false });
  return made !== undefined && made.mtimeMs >= statSync(file).mtimeMs;
}

function loadJoined(file) {
  const source = readFileSync(file, "latin1");
  const cachedData = readCache(cacheOf(file, source));
  // Another engine than that of the build: Node's own cache serves, where it has one.
  if (cachedData === undefined) return require(file);
  const script = compile(file, source, cachedData);
  loaded.push({ file, source, script });
  const module = new Module(file);
  module.filename = file;
  // The parts that are loaded later ask for it.
  require.cache[file] = module;
  script.runInThisContext()(module.exports, Module.createRequire(file), module, file, dirname(file));
  module.loaded = true;
  return module.exports;
}

function compile(filename, source, cachedData) {
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${source}\n})`;
  return new Script(wrapped, { filename, cachedData });
}

/** For joined files, which cannot themselves. */
function importPackage(name) {
  return import(name);
}

/** Of damaged code: nothing. The engine looks at its head only, and crashes, or worse, on the rest. */
function readCache(file) {
  try {
    const bytes = readFileSync(file);
    const code = bytes.subarray(0, bytes.length / 2);
    return code.equals(bytes.subarray(code.length)) ? code : undefined;
  } catch {
    return undefined;
  }
}

/** What is to be written down of a script: its code twice. To compare takes no time, and a checksum takes 2 ms. */
function codeOf(script) {
  const code = script.createCachedData();
  return Buffer.concat([code, code]);
}

/** Path of the compiled code: of these very bytes (they end with a mark of their own), for this very engine. */
function cacheOf(file, source) {
  const { versions, platform, arch } = process;
  return `${file}.${source.slice(-17, -1)}-v8-${versions.v8}-${platform}-${arch}.cache`;
}

module.exports = { load, loaded, compile, cacheOf, codeOf, importPackage };
