import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fitArguments, SDK_SHIMS } from "../../../src/toolchain/assemblyscript/arguments.ts";
import type { AsProject } from "../../../src/toolchain/assemblyscript/project.ts";
import { tempDir } from "../../support/temp-dir.ts";

const compiler = { version: "0.28.20", level: 28, api: "/asc.js" };

function project(more: Partial<AsProject> = {}): AsProject {
  const folder = more.folder ?? tempDir();
  return {
    folder,
    scripts: {},
    dependencies: new Set<string>(),
    lockFile: undefined,
    hasAsconfig: false,
    hasEntry: true,
    ...more,
  };
}

describe("fitArguments", () => {
  it("anchors everything in the project and names the module", async () => {
    const own = project();
    const { argv, notes } = await fitArguments(["a.ts", "-O3"], own, compiler);
    expect(argv).toEqual(["a.ts", "-O3", "--outFile", "build/release.wasm", "--baseDir", own.folder]);
    expect(notes).toEqual([]);
    const moved = await fitArguments(["a.ts", "--baseDir", "src", "-o", "x.wasm"], own, compiler);
    expect(moved.argv).toEqual(["a.ts", "--outFile", "x.wasm", "--baseDir", join(own.folder, "src")]);
  });

  it("leaves the name to asconfig.json where it has one", async () => {
    const own = project();
    const config = { targets: { release: { outFile: "out/r.wasm" }, other: {} } };
    await writeFile(join(own.folder, "asconfig.json"), JSON.stringify(config));
    expect((await fitArguments(["a.ts"], own, compiler)).argv).not.toContain("--outFile");
    expect((await fitArguments(["a.ts", "--target", "other"], own, compiler)).argv).toContain("--outFile");
    await writeFile(join(own.folder, "more.json"), '{"extends":"./asconfig.json"}');
    expect((await fitArguments(["a.ts", "--config=more.json"], own, compiler)).argv).not.toContain("--outFile");
  });

  it("reads the old spelling of the output, with a note", async () => {
    for (const option of ["-b", "--binaryFile"]) {
      const { argv, notes } = await fitArguments(["a.ts", option, "build/x.wasm"], project(), compiler);
      expect(argv.slice(0, 3)).toEqual(["a.ts", "--outFile", "build/x.wasm"]);
      expect(notes).toHaveLength(1);
      expect(notes[0]).toContain(option);
    }
    const { argv, notes } = await fitArguments(["a.ts", "-b", "esm"], project(), compiler);
    expect(argv.slice(0, 3)).toEqual(["a.ts", "-b", "esm"]);
    expect(notes).toEqual([]);
  });

  it("finds transforms in the project, as files and as packages", async () => {
    const own = project();
    await mkdir(join(own.folder, "node_modules/pkg"), { recursive: true });
    await writeFile(join(own.folder, "node_modules/pkg/index.js"), "");
    await writeFile(join(own.folder, "t.mjs"), "");
    const { argv } = await fitArguments(["a.ts", "--transform", "./t.mjs,pkg"], own, compiler);
    expect(argv[2]).toBe(`${join(own.folder, "t.mjs")},${join(own.folder, "node_modules/pkg/index.js")}`);
  });

  it("gives the old SDK its missing library files", async () => {
    const old = project({ dependencies: new Set(["@solo-io/proxy-runtime"]) });
    expect((await fitArguments(["a.ts"], old, compiler)).argv).toContain(SDK_SHIMS);
    expect((await fitArguments(["a.ts"], project(), compiler)).argv).not.toContain(SDK_SHIMS);
  });
});
