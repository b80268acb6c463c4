import { type AsCompiler, SDK } from "./project.ts";

/**
 * What to do about a failure that compilers of different ages report for the same reason, found in what the compiler
 * printed: import paths that moved between versions, library files that are gone, an unfinished installation.
 */
export function compilerHint(text: string, compiler: AsCompiler): string | undefined {
  const missing = [...text.matchAll(/TS6054: File '~lib\/([^']+)' not found/gu)].map((match) => match[1] ?? "");
  const sdk = missing.find((path) => path.startsWith(SDK));
  if (sdk !== undefined) return sdkHint(sdk, compiler);
  const library = missing.find((path) => /^(?:rt|bindings)\//u.test(path));
  if (library !== undefined)
    return `the SDK was written for another compiler than ${compiler.version}: try npm install --save-dev assemblyscript@0.20`;
  const packaged = missing.map((path) => /^(?:@[^/]+\/)?[^/]+/u.exec(path)?.[0]).find((name) => name !== undefined);
  if (packaged !== undefined)
    return `is ${packaged.replace(/\.ts$/u, "")} in the project's package.json, and does it have that file?`;
  return /Cannot find (?:package|module)/u.test(text)
    ? "node_modules looks unfinished: delete it and build again"
    : undefined;
}

function sdkHint(path: string, compiler: AsCompiler): string {
  const inner = path.slice(SDK.length + 1);
  if (compiler.level < MAPS_ASSEMBLY) {
    return `AssemblyScript ${compiler.version} looks in assembly/ of a package by itself: import from "${SDK}" and "${SDK}/proxy"`;
  }
  if (inner.startsWith("assembly/")) return `is ${SDK} in the project's package.json, and does it have that file?`;
  return `since AssemblyScript 0.20 the folder belongs to the name: import from "${SDK}/assembly" and "${SDK}/assembly/proxy"`;
}

/** From this version on, package imports are not looked up in `assembly/` any more. */
const MAPS_ASSEMBLY = 20;
