import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compilerHint } from "../../../src/toolchain/assemblyscript/hints.ts";
import { findCompiler, readAsProject } from "../../../src/toolchain/assemblyscript/project.ts";
import { tempDir } from "../../support/temp-dir.ts";

async function install(folder: string, manifest: object): Promise<void> {
  const target = join(folder, "node_modules/assemblyscript");
  await mkdir(target, { recursive: true });
  await writeFile(join(target, "package.json"), JSON.stringify(manifest));
}

const modern = { version: "0.28.20", exports: { "./asc": { import: "./dist/asc.js" } } };

describe("readAsProject", () => {
  it("reads scripts, dependencies of every kind and the lock file npm would use", async () => {
    const folder = tempDir();
    const manifest = { scripts: { asbuild: "asc" }, dependencies: { a: "1" }, devDependencies: { b: "1" } };
    await writeFile(join(folder, "package.json"), JSON.stringify(manifest));
    await writeFile(join(folder, "package-lock.json"), "{}");
    const project = await readAsProject(folder);
    expect(project).toMatchObject({ scripts: { asbuild: "asc" }, lockFile: "package-lock.json", hasEntry: false });
    expect([...project.dependencies]).toEqual(["a", "b"]);
  });

  it("says that package.json is missing or broken", async () => {
    const folder = tempDir();
    await expect(readAsProject(folder)).rejects.toMatchObject({ code: "PACKAGE_JSON_INVALID", kind: "usage" });
    await writeFile(join(folder, "package.json"), "{");
    await expect(readAsProject(folder)).rejects.toThrow("is not a JSON object");
  });
});

describe("findCompiler", () => {
  it("looks into folders above only for a project without a lock file", async () => {
    const root = tempDir();
    const folder = join(root, "packages/filter");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "package.json"), "{}");
    await install(root, modern);
    expect(await findCompiler(await readAsProject(folder))).toBeUndefined(); // cut short: no compiler in it
    await mkdir(join(root, "node_modules/assemblyscript/dist"));
    await writeFile(join(root, "node_modules/assemblyscript/dist/asc.js"), "");
    expect(await findCompiler(await readAsProject(folder))).toEqual({
      version: "0.28.20",
      level: 28,
      api: join(root, "node_modules/assemblyscript/dist/asc.js"),
    });
    await writeFile(join(folder, "package-lock.json"), "{}");
    expect(await findCompiler(await readAsProject(folder))).toBeUndefined();
  });

  it("knows that compilers before 0.20 cannot be called", async () => {
    const folder = tempDir();
    await writeFile(join(folder, "package.json"), "{}");
    await install(folder, { ...modern, version: "0.19.23" });
    expect(await findCompiler(await readAsProject(folder))).toMatchObject({ level: 19, api: undefined });
  });
});

describe("compilerHint", () => {
  const now = { version: "0.28.20", level: 28, api: "x" };
  const then = { version: "0.14.9", level: 14, api: undefined };
  const missing = (path: string): string => `ERROR TS6054: File '~lib/${path}' not found.`;

  it("knows where each generation of compilers looks for the SDK", () => {
    const sdk = "@solo-io/proxy-runtime";
    expect(compilerHint(missing(`${sdk}.ts`), now)).toContain(`import from "${sdk}/assembly"`);
    expect(compilerHint(missing(`${sdk}/proxy.ts`), now)).toContain(`"${sdk}/assembly/proxy"`);
    expect(compilerHint(missing(`${sdk}/assembly/index.ts`), then)).toContain(`import from "${sdk}" and`);
  });

  it("names a package or a library that is missing, and nothing without reason", () => {
    expect(compilerHint(missing("rt/index-full.ts"), now)).toContain("another compiler");
    expect(compilerHint(missing("@scope/name/assembly/index.ts"), now)).toContain("is @scope/name in");
    expect(compilerHint("Cannot find package 'binaryen' imported from x", now)).toContain("node_modules");
    expect(compilerHint("ERROR TS2322: Type", now)).toBeUndefined();
  });
});
