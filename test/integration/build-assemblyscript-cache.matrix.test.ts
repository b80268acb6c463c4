import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ToolchainDeps } from "../../src/toolchain/runner.ts";
import { templateProject, toolchainDeps } from "./build-support.ts";
import { buildProject, type Finished } from "./toolchain-support.ts";

function ran({ events }: Finished): boolean {
  return events.some((event) => event.type === "task.start" && event.id === "compile");
}

async function build(source: string, deps: ToolchainDeps): Promise<Finished> {
  return await buildProject({ language: "assemblyscript", source, deps });
}

describe("an unchanged AssemblyScript project", () => {
  it("is not compiled again, until a source, a setting or a package changes", async (context) => {
    const source = await templateProject(context);
    const deps = toolchainDeps();
    const first = await build(source, deps);
    const again = await build(source, deps);
    expect([ran(first), ran(again)]).toEqual([true, false]);
    expect(again.bytes.equals(first.bytes)).toBe(true);
    expect(again.facts).toEqual(first.facts);
    await appendFile(join(source, "README.md"), "more words\n");
    expect(ran(await build(source, deps))).toBe(false);
    const config = await readFile(join(source, "asconfig.json"), "utf8");
    await writeFile(join(source, "asconfig.json"), config.replace('"shrinkLevel": 0', '"shrinkLevel": 2'));
    const smaller = await build(source, deps);
    expect(ran(smaller)).toBe(true);
    expect(smaller.bytes.equals(first.bytes)).toBe(false);
    await writeFile(join(source, "asconfig.json"), config);
    expect(ran(await build(source, deps))).toBe(false);
  });

  it("is always compiled when what decides about it cannot be known in full", async (context) => {
    const source = await templateProject(context);
    const deps = toolchainDeps();
    await writeFile(join(source, "..", "outside.ts"), "export const outside: i32 = 1;\n");
    const entry = join(source, "assembly/index.ts");
    const text = await readFile(entry, "utf8");
    await writeFile(entry, `import { outside } from "../../outside";\nexport const seen: i32 = outside;\n${text}`);
    expect(ran(await build(source, deps))).toBe(true);
    expect(ran(await build(source, deps))).toBe(true);
    await writeFile(entry, text);
    // A step of the compiler that we do not know may read anything.
    await appendFile(join(source, "assembly/proxy-wasm/export-only-used.mjs"), "// changed\n");
    expect(ran(await build(source, deps))).toBe(true);
    expect(ran(await build(source, deps))).toBe(true);
  });
});
