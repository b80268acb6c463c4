import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, usageError, WasmeError } from "../domain/errors.ts";
import { writeError } from "../platform/atomic-file.ts";
import { MANIFEST, MAX_MANIFEST, parseManifest, type TemplateManifest } from "./template-manifest.ts";
import { isInside } from "./template-source.ts";

/** The most a template may have. Bytes. */
export const MAX_FILES = 2000;
const MAX_FILE: number = 4 * 1024 * 1024;
export const MAX_TOTAL: number = 32 * 1024 * 1024;

/** Something in a template that is no file: what it is, as messages name it. */
export interface ForeignEntry {
  readonly path: string;
  readonly what: string;
}

/** A template of somebody else's: bytes, of which nothing has been run. */
export interface ForeignTemplate {
  readonly manifest: TemplateManifest;
  /** Absolute. */
  readonly folder: string;
  /** Files of a project, relative to the folder. */
  readonly paths: readonly string[];
}

/**
 * Looks a template's folder through. It needs a manifest, or a `runtime-config.json` and files that tell its language.
 * Links, devices, too many or too large files and names that could lead elsewhere are refused by name, before anything
 * is read. `foreign` are entries that the folder had where it came from and that were not written here.
 * Throws `TEMPLATE_NOT_FOUND` (not-found), `TEMPLATE_INVALID`, `TEMPLATE_UNSAFE` or `TEMPLATE_TOO_LARGE` (usage).
 */
export async function readTemplateFolder(
  folder: string,
  shown: string,
  foreign: readonly ForeignEntry[] = [],
): Promise<ForeignTemplate> {
  const found = await walk(folder, shown);
  const manifest = await manifestOf(folder, shown, found);
  const isLeftOut = (path: string): boolean =>
    path === MANIFEST || manifest.leaveOut.some((item) => path === item || path.startsWith(`${item}/`));
  const entries = [...found, ...foreign.map((entry) => ({ ...entry, size: 0 }))].filter(({ path }) => !isLeftOut(path));
  const other = entries.find(({ what }) => what !== undefined);
  if (other?.what !== undefined) throw unsafe(shown, other.path, `is ${other.what}`);
  const paths = entries.map(({ path }) => path);
  checkNames(shown, paths);
  checkSizes(shown, entries);
  return { manifest, folder, paths };
}

interface Entry {
  readonly path: string;
  readonly size: number;
  /** Set for what is no file. */
  readonly what?: string;
}

/** Of no use to a project: version control, and what builds leave behind. */
const SKIPPED: ReadonlySet<string> = new Set([".git", ".hg", ".svn", "node_modules", "target", "build", ".DS_Store"]);

async function walk(root: string, shown: string): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const item of await list(join(root, folder), shown)) {
      if (SKIPPED.has(item.name)) continue;
      const path = folder === "" ? item.name : `${folder}/${item.name}`;
      if (item.isDirectory()) folders.push(path);
      else if (item.isFile()) entries.push({ path, size: (await lstat(join(root, path))).size });
      else entries.push({ path, size: 0, what: item.isSymbolicLink() ? "a link" : "no plain file" });
      if (entries.length + folders.length > 4 * MAX_FILES) throw tooLarge(shown, `more than ${MAX_FILES} files`);
    }
  }
  return entries;
}

async function list(folder: string, shown: string): Promise<readonly import("node:fs").Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") {
      throw new WasmeError("not-found", "TEMPLATE_NOT_FOUND", `there is no folder ${shown}`, {
        hint: "wasme init --list shows the templates that come with wasme",
        cause: error,
      });
    }
    throw writeError(error, folder);
  }
}

async function manifestOf(folder: string, shown: string, entries: readonly Entry[]): Promise<TemplateManifest> {
  const manifest = entries.find(({ path }) => path === MANIFEST);
  if (manifest !== undefined) {
    if (manifest.what !== undefined) throw unsafe(shown, MANIFEST, `is ${manifest.what}`);
    if (manifest.size > MAX_MANIFEST) throw tooLarge(shown, `${MANIFEST} has more than ${MAX_MANIFEST} bytes`);
    return parseManifest(await readFile(join(folder, MANIFEST), "utf8"), `${MANIFEST} of ${shown}`);
  }
  const language = entries.some(({ path }) => path === "runtime-config.json") ? guess(entries) : undefined;
  if (language === undefined) {
    throw usageError("TEMPLATE_INVALID", `${shown} is no template: it has no ${MANIFEST}, and is no filter project`, {
      hint: `a template has ${MANIFEST}, or runtime-config.json beside package.json, Cargo.toml, go.mod or a C++ build`,
    });
  }
  return { name: shown, summary: "", language, leaveOut: [], next: undefined };
}

/** The language of a plain project, by the file its build begins with. */
function guess(entries: readonly Entry[]): string | undefined {
  const has = (name: string): boolean => entries.some(({ path }) => path === name);
  if (has("Cargo.toml")) return "rust";
  if (has("go.mod")) return "go";
  if (has("CMakeLists.txt") || has("Makefile") || entries.some(({ path }) => /\.(?:cc|cpp|cxx)$/u.test(path)))
    return "cpp";
  return has("package.json") ? "assemblyscript" : undefined;
}

/** Two names that differ in their case are one file on some systems. */
function checkNames(shown: string, paths: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const path of paths) {
    if (!isInside(path)) throw unsafe(shown, path, "is a name that could lead elsewhere");
    const plain = path.normalize("NFC").toLowerCase();
    const twin = seen.get(plain);
    if (twin !== undefined) throw unsafe(shown, path, `is the same name as ${twin} on some systems`);
    seen.set(plain, path);
  }
}

function checkSizes(shown: string, entries: readonly Entry[]): void {
  if (entries.length > MAX_FILES) throw tooLarge(shown, `more than ${MAX_FILES} files`);
  const large = entries.find(({ size }) => size > MAX_FILE);
  if (large !== undefined) throw tooLarge(shown, `${JSON.stringify(large.path)} has more than ${MAX_FILE} bytes`);
  if (entries.reduce((sum, { size }) => sum + size, 0) > MAX_TOTAL) {
    throw tooLarge(shown, `its files have more than ${MAX_TOTAL} bytes together`);
  }
}

function unsafe(shown: string, path: string, why: string): Error {
  return usageError("TEMPLATE_UNSAFE", `cannot use the template ${shown}: ${JSON.stringify(path)} ${why}`, {
    hint: `ask its author to take it out, or to name it in "leaveOut" of ${MANIFEST}`,
  });
}

/** The error of a template that has more than it may. */
export function tooLarge(shown: string, why: string): Error {
  return usageError("TEMPLATE_TOO_LARGE", `the template ${shown} is too large: ${why}`, {
    hint: `a template is source code; name what is not in "leaveOut" of ${MANIFEST}, or give the folder of the template itself`,
  });
}
