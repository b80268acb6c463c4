import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { withName } from "./project-name.ts";

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

/** Files of one folder, relative to it, `/` between parts. */
export interface Layer {
  readonly folder: string;
  readonly paths: readonly string[];
}

/**
 * The files of a project made from a template's folders, sorted by path; a file of a later folder wins. `_gitignore`
 * becomes `.gitignore` (npm drops files of that name from packages); the project's name goes into the files that hold
 * one ({@link withName}).
 */
export async function renderTemplate(folders: readonly string[], input: RenderInput): Promise<readonly RenderedFile[]> {
  return await renderLayers(await Promise.all(folders.map(listLayer)), input);
}

/** {@link renderTemplate} for folders of which only some files count. */
export async function renderLayers(layers: readonly Layer[], input: RenderInput): Promise<readonly RenderedFile[]> {
  const read = await Promise.all(
    layers.map(({ folder, paths }) => Promise.all(paths.map((path) => readRendered(folder, path)))),
  );
  const files = [...new Map(read.flat().map((file) => [file.path, file])).values()];
  return withPlatform(withName(files, input.name), input).toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

async function listLayer(folder: string): Promise<Layer> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length).replaceAll("\\", "/").replace(/^\//u, ""))
    .filter((path) => !path.split("/").some((part) => LEFT_BEHIND.has(part)));
  return { folder, paths };
}

/** Made by trying the template out in place; no part of it. */
const LEFT_BEHIND: ReadonlySet<string> = new Set(["node_modules", "build", "target"]);

async function readRendered(folder: string, path: string): Promise<RenderedFile> {
  const source = join(folder, path);
  const executable = ((await stat(source)).mode & 0o100) !== 0;
  return {
    path: path.replace(/(?<=^|\/)_gitignore$/u, ".gitignore"),
    bytes: await readFile(source),
    mode: executable ? 0o755 : 0o644,
  };
}

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
