import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * The compiled file of a worker's entry. Threads load what the compiler wrote; run from the sources (in tests), the file
 * below `dist/` is meant, and it is an error when it, or anything it imports, is older than its source.
 *
 * @param name relative to the caller, without ending: `./smoke-worker`
 * @param base the caller's `import.meta.url`
 */
export function workerEntry(name: string, base: string): URL {
  const url = new URL(`${name}.js`, base);
  if (!base.endsWith(".ts")) return url;
  url.pathname = url.pathname.replace(/\/src\/(?!.*\/src\/)/u, "/dist/");
  requireFresh(url, new Set());
  return url;
}

function requireFresh(url: URL, seen: Set<string>): void {
  if (seen.has(url.href)) return;
  seen.add(url.href);
  const source = new URL(url.href.replace(/\/dist\/(?!.*\/dist\/)/u, "/src/").replace(/\.js$/u, ".ts"));
  if (changedAt(url) < changedAt(source)) {
    throw new Error(`${fileURLToPath(url)} is older than its source: run "npm run build"`);
  }
  for (const [, path = ""] of readFileSync(url, "utf8").matchAll(LOCAL_IMPORT)) requireFresh(new URL(path, url), seen);
}

/** Milliseconds since 1970; 0 for a file that is not there. */
function changedAt(url: URL): number {
  return statSync(url, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

const LOCAL_IMPORT = /\b(?:from|import|import\() ?"(\.[^"]+\.js)"/gu;
