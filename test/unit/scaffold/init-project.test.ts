import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ProgressEvent } from "../../../src/domain/events.ts";
import { TEMPLATES } from "../../../src/scaffold/catalogue.ts";
import { initProject, type InitRequest, type InitResult } from "../../../src/scaffold/init-project.ts";
import { depsIn } from "./scaffold-support.ts";
import { failure } from "../../support/failure.ts";
import { tempDir } from "../../support/temp-dir.ts";

function init(cwd: string, request: Partial<InitRequest> = {}, events: ProgressEvent[] = []): Promise<InitResult> {
  const full = { directory: "hello", language: "assemblyscript", ...request };
  return initProject(depsIn(cwd), full, (event) => void events.push(event));
}

async function files(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return paths.map((path) => path.slice(folder.length + 1)).toSorted();
}

describe("a new project", () => {
  it("holds the template's files, with a .gitignore and its own name, and says what to type next", async () => {
    const cwd = tempDir();
    const result = await init(cwd, { directory: "My Filter" });
    const folder = join(cwd, "My Filter");
    expect(result).toMatchObject({ directory: folder, language: "assemblyscript", template: "add-header" });
    expect(await files(folder)).toEqual(result.files);
    expect(result.files).toContain(".gitignore");
    expect(result.files.some((path) => path.includes("_gitignore") || path.includes("node_modules"))).toBe(false);
    expect(result.tree).toContain(`  proxy-wasm/ (${countSdk(result.files)} files)`);
    expect(result.nextCommand).toBe("wasme test './My Filter'");
    expect(result.laterCommands).toEqual([
      "wasme run './My Filter' --watch",
      "wasme build './My Filter' -t my-filter:v0.1",
    ]);
    const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as object;
    const lock = JSON.parse(await readFile(join(folder, "package-lock.json"), "utf8")) as object;
    expect(manifest).toMatchObject({ name: "my-filter" });
    expect(lock).toMatchObject({ name: "my-filter", packages: { "": { name: "my-filter" } } });
  });

  it("differs from the template in nothing else", async () => {
    const cwd = tempDir();
    const result = await init(cwd);
    const parts = ["_shared/add-header", "assemblyscript/_common", "assemblyscript/add-header"];
    const folders = parts.map((part) => join(TEMPLATES, part));
    const inTemplate = (path: string): string =>
      folders.map((folder) => join(folder, path)).findLast((file) => existsSync(file)) ?? path;
    const named = new Set(["package.json", "package-lock.json"]);
    for (const path of result.files.filter((item) => !named.has(item))) {
      const source = path.replace(/\.gitignore$/u, "_gitignore");
      const [made, given] = [await readFile(join(cwd, "hello", path)), await readFile(inTemplate(source))];
      expect(made.equals(given), path).toBe(true);
    }
    const made = await readFile(join(cwd, "hello", "package.json"), "utf8");
    expect(made.replace('"hello"', '"filter"')).toBe(await readFile(inTemplate("package.json"), "utf8"));
  });

  it("goes into the working directory and into folders that do not exist yet", async () => {
    const cwd = join(tempDir(), "here");
    await mkdir(cwd);
    expect(await init(cwd, { directory: "." })).toMatchObject({ nextCommand: "wasme test ." });
    expect(await init(cwd, { directory: "../a/b/c" })).toMatchObject({ nextCommand: "wasme test ../a/b/c" });
  });

  it("goes into a folder that holds a repository only, which stays", async () => {
    const cwd = tempDir();
    await mkdir(join(cwd, "hello/.git"), { recursive: true });
    await writeFile(join(cwd, "hello/.git/HEAD"), "ref: refs/heads/main\n");
    const result = await init(cwd);
    expect(await files(join(cwd, "hello"))).toEqual([".git/HEAD", ...result.files].toSorted());
  });

  it("notes a platform in the README and nowhere else", async () => {
    const cwd = tempDir();
    const plain = await init(cwd, { directory: "a/f" });
    const noted = await init(cwd, { directory: "b/f", platform: "istio", platformVersion: "1.9.x" });
    expect(await readFile(join(cwd, "b/f/README.md"), "utf8")).toContain("istio 1.9.x");
    for (const path of plain.files.filter((item) => item !== "README.md")) {
      const [one, two] = [await readFile(join(cwd, "a/f", path)), await readFile(join(cwd, "b/f", path))];
      expect(one.equals(two), path).toBe(true);
    }
    expect(noted.files.filter((path) => path !== "README.md")).toEqual(
      plain.files.filter((path) => path !== "README.md"),
    );
    const bad = await failure(init(cwd, { directory: "c", platform: "istio\nrm -rf" }));
    expect(bad).toMatchObject({ kind: "usage", code: "PLATFORM_INVALID" });
  });
});

describe("a folder that is not empty", () => {
  it("is left alone, and what is in it is named", async () => {
    const cwd = tempDir();
    await mkdir(join(cwd, "hello"));
    await writeFile(join(cwd, "hello/notes.txt"), "mine");
    const error = await failure(init(cwd));
    expect(error).toMatchObject({ kind: "usage", code: "INIT_NOT_EMPTY" });
    expect(error.message).toContain("notes.txt");
    expect(await files(join(cwd, "hello"))).toEqual(["notes.txt"]);
  });

  it("has the files named that would be overwritten", async () => {
    const cwd = tempDir();
    await init(cwd);
    const error = await failure(init(cwd));
    expect(error.message).toContain("asconfig.json");
    expect(error.hint).toContain("--force");
    expect(error.details).toMatchObject({ overwritten: expect.arrayContaining(["package.json"]) });
  });

  it("gets the template under --force, over files of the same name, whole", async () => {
    const cwd = tempDir();
    const folder = join(cwd, "hello");
    await mkdir(join(folder, "assembly"), { recursive: true });
    await writeFile(join(folder, "notes.txt"), "mine");
    await writeFile(join(folder, "assembly/mine.ts"), "mine");
    await writeFile(join(folder, "asconfig.json"), "x".repeat(100_000));
    const events: ProgressEvent[] = [];
    const result = await init(cwd, { force: true }, events);
    expect(await files(folder)).toEqual(["assembly/mine.ts", "notes.txt", ...result.files].toSorted());
    const template = await readFile(join(TEMPLATES, "assemblyscript/_common/asconfig.json"));
    expect((await readFile(join(folder, "asconfig.json"))).equals(template)).toBe(true);
    expect(events).toEqual([{ type: "milestone", message: "Overwrote asconfig.json" }]);
  });

  it("refuses a file in the place of a folder, and the other way round, even under --force", async () => {
    const cwd = tempDir();
    await mkdir(join(cwd, "one"));
    await writeFile(join(cwd, "one/assembly"), "a file");
    await mkdir(join(cwd, "two/package.json"), { recursive: true });
    for (const directory of ["one", "two"]) {
      const error = await failure(init(cwd, { directory, force: true }));
      expect(error).toMatchObject({ kind: "usage", code: "INIT_BLOCKED" });
    }
    expect(await readdir(join(cwd, "one"))).toEqual(["assembly"]);
    await writeFile(join(cwd, "three"), "");
    for (const directory of ["three", "three/inside"]) {
      expect(await failure(init(cwd, { directory }))).toMatchObject({ kind: "usage", code: "INIT_BLOCKED" });
    }
  });

  it("does not write through a link that stands for a file", async () => {
    const cwd = tempDir();
    await mkdir(join(cwd, "hello"));
    await writeFile(join(cwd, "elsewhere"), "precious");
    await symlink(join(cwd, "elsewhere"), join(cwd, "hello/package.json"));
    await init(cwd, { force: true });
    expect(await readFile(join(cwd, "elsewhere"), "utf8")).toBe("precious");
  });
});

describe("a language or template that is not there", () => {
  it("is refused with a guess and the list, and nothing is made", async () => {
    const cwd = tempDir();
    const language = await failure(init(cwd, { language: "asemblyscript" }));
    expect(language).toMatchObject({ kind: "usage", code: "LANGUAGE_UNKNOWN" });
    expect(language.hint).toMatch(/^did you mean assemblyscript\? choose from: assemblyscript/u);
    expect(await failure(init(cwd, { language: "cobol" }))).toMatchObject({ code: "LANGUAGE_UNKNOWN" });
    expect((await failure(init(cwd, { language: "C++" }))).hint).toMatch(/^did you mean cpp\?/u);
    expect((await failure(init(cwd, { language: "golang" }))).hint).toMatch(/^did you mean go\?/u);
    const template = await failure(init(cwd, { template: "auth" }));
    expect(template).toMatchObject({ kind: "usage", code: "TEMPLATE_UNKNOWN" });
    expect(template.hint).toContain("add-header");
    const elsewhere = await failure(init(cwd, { template: "jwt-auth" }));
    expect(elsewhere).toMatchObject({ kind: "usage", code: "TEMPLATE_UNKNOWN" });
    expect(elsewhere.hint).toMatch(/^pass --language rust\|go, or choose from: add-header, /u);
  });

  it("is told when nobody said the language and several have the template", async () => {
    const cwd = tempDir();
    const needed = await failure(initProject(depsIn(cwd), { directory: "x", template: "jwt-auth" }, () => undefined));
    expect(needed).toMatchObject({ kind: "usage", code: "LANGUAGE_NEEDED", hint: "pass --language rust|go" });
    const nowhere = await failure(initProject(depsIn(cwd), { directory: "x", template: "jwt" }, () => undefined));
    expect(nowhere).toMatchObject({ kind: "usage", code: "TEMPLATE_UNKNOWN" });
    expect(await readdir(cwd)).toEqual([]);
  });
});

describe("a write that fails", () => {
  it("takes back what was moved, and the folder made for it", async () => {
    const cwd = tempDir();
    const { placeFiles } = await import("../../../src/scaffold/write-project.ts");
    const file = (path: string): { path: string; bytes: Uint8Array; mode: number } => ({
      path,
      bytes: Buffer.from("x"),
      mode: 0o644,
    });
    const tooLong = "n".repeat(300);
    await expect(placeFiles(join(cwd, "a/b"), [file("one"), file("two/three"), file(tooLong)])).rejects.toThrow(
      "ENAMETOOLONG",
    );
    expect(await readdir(cwd)).toEqual([]);
    await mkdir(join(cwd, "kept"));
    await expect(placeFiles(join(cwd, "kept"), [file("one"), file(tooLong)])).rejects.toThrow("ENAMETOOLONG");
    expect(await readdir(join(cwd, "kept"))).toEqual([]);
    await mkdir(join(cwd, "clash/two/folder"), { recursive: true });
    await expect(placeFiles(join(cwd, "clash"), [file("one"), file("two/folder")])).rejects.toThrow("cannot write");
    expect(await readdir(join(cwd, "clash"), { recursive: true })).toEqual(["two", "two/folder"]);
    expect((await stat(join(cwd, "clash/two/folder"))).isDirectory()).toBe(true);
  });
});

function countSdk(paths: readonly string[]): number {
  return paths.filter((path) => path.startsWith("assembly/proxy-wasm/")).length;
}
