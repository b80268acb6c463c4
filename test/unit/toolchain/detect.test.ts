import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkSource, detectLanguage } from "../../../src/toolchain/detect.ts";
import { BUILD_LANGUAGES, type ToolchainRunner } from "../../../src/toolchain/runner.ts";
import { RUNNERS, runnerOf } from "../../../src/toolchain/runners.ts";
import { tempDir } from "../../support/temp-dir.ts";

describe("detectLanguage", () => {
  it.each([
    ["asconfig.json", "{}"],
    ["assembly/index.ts", ""],
    ["package.json", '{"devDependencies":{"assemblyscript":"*"}}'],
    ["package.json", '{"dependencies":{"@solo-io/proxy-runtime":"0.1.8"}}'],
    ["package.json", '{"scripts":{"asbuild":"make"}}'],
  ])("knows AssemblyScript by %s %s", async (path, text) => {
    const folder = tempDir();
    await mkdir(join(folder, "assembly"));
    await writeFile(join(folder, path), text);
    expect((await detectLanguage(folder, RUNNERS)).language).toBe("assemblyscript");
  });

  it.each(["{}", "not JSON", '{"dependencies":{"react":"*"}}'])(
    "does not take package.json %s for it",
    async (text) => {
      const folder = tempDir();
      await writeFile(join(folder, "package.json"), text);
      await expect(detectLanguage(folder, RUNNERS)).rejects.toMatchObject({
        code: "LANGUAGE_NOT_RECOGNISED",
        kind: "usage",
        hint: expect.stringContaining("assemblyscript (asconfig.json"),
      });
    },
  );

  it("names what was seen when several fit", async () => {
    const folder = tempDir();
    await writeFile(join(folder, "asconfig.json"), "{}");
    const other: ToolchainRunner = { ...runnerOf("assemblyscript"), detect: () => Promise.resolve("Cargo.toml") };
    await expect(detectLanguage(folder, [...RUNNERS, other])).rejects.toMatchObject({
      code: "LANGUAGE_AMBIGUOUS",
      kind: "usage",
      message: expect.stringMatching(/asconfig\.json.* and .*Cargo\.toml/u),
    });
  });
});

describe("checkSource", () => {
  it("wants a folder that is there", async () => {
    const folder = tempDir();
    await writeFile(join(folder, "f.wasm"), "");
    await expect(checkSource(folder)).resolves.toBeUndefined();
    await expect(checkSource(join(folder, "gone"))).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND", kind: "usage" });
    await expect(checkSource(join(folder, "f.wasm"))).rejects.toMatchObject({
      code: "SOURCE_NOT_A_FOLDER",
      hint: expect.stringContaining("build precompiled"),
    });
  });
});

describe("runnerOf", () => {
  it("knows every language that is offered and no other", () => {
    for (const language of BUILD_LANGUAGES) expect(runnerOf(language).language).toBe(language);
    expect(RUNNERS.map((runner) => runner.language)).toEqual(BUILD_LANGUAGES);
    expect(() => runnerOf("cobol")).toThrow('cannot build "cobol"');
  });
});
