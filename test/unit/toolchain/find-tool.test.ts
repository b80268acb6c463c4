import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findTool, installedBesidePath, pathCommand } from "../../../src/toolchain/find-tool.ts";
import { tempDir } from "../../support/temp-dir.ts";

async function program(folder: string, name: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), "#!/bin/sh\n");
  await chmod(join(folder, name), 0o755);
  return join(folder, name);
}

describe("a program of rustup", () => {
  it("is told to be there though PATH does not lead to it", async () => {
    const home = tempDir();
    const cargo = join(home, ".cargo/bin");
    expect(await installedBesidePath({ HOME: home }, "cargo")).toBeUndefined();
    await program(cargo, "cargo");
    expect(await findTool({ HOME: home, PATH: "" }, "cargo")).toBeUndefined();
    expect(await installedBesidePath({ HOME: home }, "cargo")).toBe(cargo);
    expect(await installedBesidePath({ HOME: home }, "rustc")).toBeUndefined();
    expect(pathCommand(cargo)).toBe(`export PATH="${cargo}:$PATH"`);
  });

  it("is where CARGO_HOME says", async () => {
    const folder = tempDir();
    await program(join(folder, "bin"), "rustc");
    expect(await installedBesidePath({ HOME: "/nowhere", CARGO_HOME: folder }, "rustc")).toBe(join(folder, "bin"));
  });

  it("is nowhere else, and neither are others", async () => {
    const folder = tempDir();
    await program(join(folder, "bin"), "em++");
    expect(await installedBesidePath({ HOME: folder, CARGO_HOME: folder }, "em++")).toBeUndefined();
  });
});
