import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findTool } from "../../../src/toolchain/find-tool.ts";
import { findSystem, installCommand } from "../../../src/toolchain/install-hint.ts";
import { fakeProgram } from "../../support/fake-program.ts";
import { tempDir } from "../../support/temp-dir.ts";

describe("findSystem", () => {
  it.each([
    ["ID=debian", "debian"],
    ['NAME="Linux Mint"\nID=linuxmint\nID_LIKE="ubuntu debian"', "debian"],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"', "fedora"],
    ["ID=alpine", "alpine"],
    ["ID=manjaro\nID_LIKE=arch", "arch"],
    ["ID=nixos", "other"],
    ["", "other"],
  ])("%j is %s", async (text, system) => {
    const file = join(tempDir(), "os-release");
    await writeFile(file, text);
    expect(await findSystem("linux", file)).toBe(system);
  });

  it("knows the others by the platform, and has a command for everything", async () => {
    expect(await findSystem("darwin")).toBe("macos");
    expect(await findSystem("win32")).toBe("other");
    expect(installCommand("go", "macos")).toBe("brew install go");
    expect(installCommand("rust", "other")).toContain("rustup");
    expect(installCommand("rust", "debian")).toBe(installCommand("rust", "other"));
  });
});

describe("findTool", () => {
  it("takes the first program in PATH, and nothing that cannot be run", async () => {
    const [one, two] = [tempDir(), tempDir()];
    await writeFile(join(one, "cc"), "not executable");
    const cc = await fakeProgram(two, "cc", "exit 0");
    expect(await findTool({ PATH: `${one}::${two}` }, "cc")).toBe(cc);
    expect(await findTool({ PATH: one }, "cc")).toBeUndefined();
    expect(await findTool({}, "cc")).toBeUndefined();
    expect(await findTool({ PATH: "" }, cc)).toBe(cc);
    expect(await findTool({}, "./cc", two)).toBe(cc);
    expect(await findTool({ PATH: tempDir() }, ".")).toBeUndefined();
  });
});
