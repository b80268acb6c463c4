/**
 * The compiled file of a worker's entry. Threads load what the compiler wrote; run from the sources (in tests), the file
 * below `dist/` is meant.
 *
 * @param name relative to the caller, without ending: `./smoke-worker`
 * @param base the caller's `import.meta.url`
 */
export function workerEntry(name: string, base: string): URL {
  const url = new URL(`${name}.js`, base);
  if (base.endsWith(".ts")) url.pathname = url.pathname.replace(/\/src\/(?!.*\/src\/)/u, "/dist/");
  return url;
}
