import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

/** A file of a new project. */
export interface RenderedFile {
  /** Relative to the project, `/` between folders. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly mode: number;
}

/** What a template is filled with. */
export interface RenderInput {
  /** Package name of the project, fit for npm. */
  readonly name: string;
  /** Platform the author has in mind (`istio 1.9.x`): noted in `README.md`, changes nothing else. */
  readonly platform: string | undefined;
}

/**
 * The files of a project made from a template's folders, sorted by path; a file of a later folder wins. `_gitignore`
 * becomes `.gitignore` (npm drops files of that name from packages); the name goes into `package.json` and its lock
 * file.
 */
export async function renderTemplate(folders: readonly string[], input: RenderInput): Promise<readonly RenderedFile[]> {
  const layers = await Promise.all(folders.map((folder) => renderFolder(folder, input)));
  const files = new Map(layers.flat().map((file) => [file.path, file]));
  return withPlatform([...files.values()], input).toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

async function renderFolder(folder: string, input: RenderInput): Promise<readonly RenderedFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length).replaceAll("\\", "/").replace(/^\//u, ""))
    .filter((path) => !path.split("/").some((part) => LEFT_BEHIND.has(part)));
  return await Promise.all(paths.map((path) => renderFile(folder, path, input)));
}

/** What npm accepts as the name of a package made in a folder called `folder`; `filter` when nothing is left. */
export function packageName(folder: string): string {
  const name = folder
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/[^a-z0-9._~-]+/gu, "-")
    .replaceAll(/^[._-]+|-+$/gu, "")
    .slice(0, 214);
  return name === "" || name === "node_modules" ? "filter" : name;
}

/** Made by trying the template out in place; no part of it. */
const LEFT_BEHIND: ReadonlySet<string> = new Set(["node_modules", "build"]);

async function renderFile(folder: string, path: string, input: RenderInput): Promise<RenderedFile> {
  const source = join(folder, path);
  const bytes = await readFile(source);
  const executable = ((await stat(source)).mode & 0o100) !== 0;
  const named = NAMED[path];
  return {
    path: path.replace(/(?<=^|\/)_gitignore$/u, ".gitignore"),
    bytes: named === undefined ? bytes : Buffer.from(named(bytes.toString("utf8"), input.name)),
    mode: executable ? 0o755 : 0o644,
  };
}

/** How the project's name gets into files that hold one, everything else of their text kept as it is. */
const NAMED: Readonly<Record<string, (text: string, name: string) => string>> = {
  "package.json": (text, name) => text.replace(NAME_KEY, `$1${JSON.stringify(name)}`),
  "package-lock.json": (text, name) =>
    text
      .replace(NAME_KEY, `$1${JSON.stringify(name)}`)
      .replace(/("packages":\s*\{\s*"":\s*\{\s*"name":\s*)"[^"]*"/u, `$1${JSON.stringify(name)}`),
};

const NAME_KEY = /^(\{\s*"name":\s*)"[^"]*"/u;

function withPlatform(files: readonly RenderedFile[], input: RenderInput): readonly RenderedFile[] {
  if (input.platform === undefined) return files;
  const note = `\n## Platform\n\nStarted with ${input.platform} in mind. This is a note for readers: the build does not depend on it.\n`;
  const readme = files.find((file) => file.path === "README.md");
  if (readme === undefined) {
    return [...files, { path: "README.md", bytes: Buffer.from(`# ${input.name}\n${note}`), mode: 0o644 }];
  }
  const extended = { ...readme, bytes: Buffer.concat([readme.bytes, Buffer.from(note)]) };
  return files.map((file) => (file === readme ? extended : file));
}
