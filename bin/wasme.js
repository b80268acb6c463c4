#!/usr/bin/env node
// CommonJS (bin/package.json): Node's loader of modules would take 4 ms before the first line.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`Error: wasme needs Node 20.19 or newer, this is ${process.version}\n`);
  process.exit(2);
}
require("node:module").enableCompileCache?.();
// A reader that went away (`wasme list | head -1`) is no failure of ours.
process.stdout.on("error", (error) => process.exit(error.code === "EPIPE" ? 0 : 1));
process.stderr.on("error", () => {});
let cwd;
try {
  cwd = process.cwd();
} catch {
  process.stderr.write("Error: the folder you are in is gone\nHint: cd to another one\n");
  process.exit(2);
}
const { load } = require("./joined.cjs");
// What runs filters is joined into one file; the rest loads little.
const joined = /^(?:test|run|bench|check|build)$/u.test(process.argv[2])
  ? load(`${__dirname}/../dist/cli/main.js`)
  : undefined;
void start();

async function start() {
  // Stays when nothing is left to wait for and there is no end.
  process.exitCode = 13;
  const { main } = joined ?? (await import("../dist/cli/main.js"));
  const { env, stdin, stdout, stderr } = process;
  process.exitCode = await main(process.argv.slice(2), { env, stdin, stdout, stderr, cwd });
}
