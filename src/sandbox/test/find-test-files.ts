import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { usageError } from "../../domain/errors.ts";

/**
 * The test files that paths mean, as the user would name them, sorted: a file is one whatever its name, a folder is searched
 * for `*.test.yaml`, `.yml`, `.json`, and for Google's `.textpb` and `.textproto`. Throws `TEST_FILE_NOT_FOUND`, and
 * `TEST_FILE_INVALID` for a module (usage).
 */
export async function findTestFiles(cwd: string, paths: readonly string[]): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const path of paths.length === 0 ? ["."] : paths) {
    const what = await stat(resolve(cwd, path)).catch(() => undefined);
    if (what === undefined) {
      throw usageError("TEST_FILE_NOT_FOUND", `there is no file or folder ${path}`, {
        hint: "name test files or folders",
      });
    }
    if (!what.isDirectory() && path.endsWith(".wasm")) {
      throw usageError("TEST_FILE_INVALID", `${path} is a module, not a test file`, {
        hint: `wasme test --module ${path}`,
      });
    }
    if (!what.isDirectory()) found.add(path);
    else for (const file of await search(resolve(cwd, path), path === "." ? "" : path)) found.add(file);
  }
  if (found.size > 0) return [...found].toSorted();
  const where = paths.length === 0 ? "this folder" : paths.join(", ");
  throw usageError("TEST_FILE_NOT_FOUND", `there is no test file in ${where}`, {
    hint: "name it NAME.test.yaml; wasme init makes a project that has one",
  });
}

async function search(folder: string, shown: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files: string[] = [];
  for (const entry of entries) {
    const name = shown === "" ? entry.name : join(shown, entry.name);
    if (entry.isDirectory()) {
      if (!SKIPPED.has(entry.name)) files.push(...(await search(join(folder, entry.name), name)));
    } else if (TEST_FILE.test(entry.name)) files.push(name);
  }
  return files;
}

const SKIPPED: ReadonlySet<string> = new Set(["node_modules", ".git", "target", "build", "dist"]);
const TEST_FILE = /(?:\.test\.(?:ya?ml|json)|\.textpb|\.textproto)$/u;
