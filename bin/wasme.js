#!/usr/bin/env node
// `process` as a global, and modules of Node without `import`: importing them runs all their getters, some 3 ms.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`Error: wasme needs Node 20.19 or newer, this is ${process.version}\n`);
  process.exit(2);
}
process.getBuiltinModule("node:module").enableCompileCache?.();
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
// What runs filters is joined into one file; the rest loads little.
const { load } = process.getBuiltinModule("node:module").createRequire(import.meta.url)("./joined.cjs");
const joined = /^(?:test|run|bench|check)$/u.test(process.argv[2])
  ? load(`${import.meta.dirname}/../dist/cli/main.js`)
  : undefined;
const { main } = joined ?? (await import("../dist/cli/main.js"));
const { env, stdin, stdout, stderr } = process;
process.exitCode = await main(process.argv.slice(2), { env, stdin, stdout, stderr, cwd });
