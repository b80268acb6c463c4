import { describe, expect, it } from "vitest";
import { RUNNERS } from "../../../../src/toolchain/runners.ts";
import { detectLanguage } from "../../../../src/toolchain/detect.ts";
import { parseGoMod, sdkOf } from "../../../../src/toolchain/go/go-mod.ts";
import { goError } from "../../../../src/toolchain/go/go-error.ts";
import { badPair } from "../../../../src/toolchain/tinygo/known-pairs.ts";
import { writeTree } from "../../../support/fake-program.ts";
import { tempDir } from "../../../support/temp-dir.ts";

const NEW = "github.com/proxy-wasm/proxy-wasm-go-sdk";
const OLD = "github.com/tetratelabs/proxy-wasm-go-sdk";

describe("go.mod", () => {
  it.each([
    [`module x\n\ngo 1.24\n\nrequire ${NEW} v0.0.0-2025 // pinned`, "go", "v0.0.0-2025"],
    [`module x\nrequire (\n\texample.com/y v1.0.0\n\t${OLD} v0.24.0\n)\n`, "tinygo", "v0.24.0"],
    [`module x\nrequire "github.com/mathetake/proxy-wasm-go" v0.0.1`, "tinygo", "v0.0.1"],
    ["module x\nrequire github.com/higress-group/proxy-wasm-go-sdk v1.0.0", "go", "v1.0.0"],
  ])("%j", (text, language, version) => {
    expect(sdkOf(parseGoMod(text))).toMatchObject({ language, version });
  });

  it.each([
    "module x",
    `module ${NEW}`,
    `module x\nrequire ${OLD} v0.24.0 // indirect`,
    `module x\n// require ${OLD} v0.24.0`,
    `module x\nreplace ${OLD} => ../sdk`,
  ])("has no SDK: %j", (text) => {
    expect(sdkOf(parseGoMod(text))).toBeUndefined();
  });
});

describe("detection", () => {
  it.each([
    [{ "go.mod": `module x\nrequire ${NEW} v0.0.0` }, "go"],
    [{ "go.mod": `module x\nrequire ${OLD} v0.1.1`, "main.go": "" }, "tinygo"],
    [{ "Cargo.toml": "[package]" }, "rust"],
    [{ BUILD: 'load("@x")\nrust_binary(\n name = "filter",\n)', WORKSPACE: "" }, "rust"],
    [{ "Cargo.toml": "[package]", "go.mod": "module tools" }, "rust"],
  ])("%j is %s", async (files, language) => {
    const folder = await writeTree(tempDir(), { ...files });
    expect((await detectLanguage(folder, RUNNERS)).language).toBe(language);
  });

  it("wants to be told when two languages are there", async () => {
    const folder = await writeTree(tempDir(), { "Cargo.toml": "", "go.mod": `module x\nrequire ${NEW} v0.0.0` });
    await expect(detectLanguage(folder, RUNNERS)).rejects.toMatchObject({ code: "LANGUAGE_AMBIGUOUS" });
  });
});

describe("badPair", () => {
  const sdk = (version: string) => ({ language: "tinygo", module: OLD, version }) as const;
  it.each([
    ["v0.1.1", "0.28.1", true],
    ["v0.1.1", "0.17.0", false],
    ["v0.22.0", "0.28.1", false],
    ["v0.24.0", "0.28.1", true],
    ["v0.24.0", "0.32.0", false],
    ["v0.24.0", "1.0.0", false],
    ["v0.0.0-2025", "dev", false],
  ])("SDK %s with TinyGo %s: %s", (version, compiler, bad) => {
    expect(badPair(sdk(version), compiler) !== undefined).toBe(bad);
  });
});

describe("goError", () => {
  it.each([
    ["./main.go:3:1: syntax error: unexpected EOF, expecting }", "COMPILE_FAILED"],
    [
      "main.go:5:2: missing go.sum entry for module providing package a/b (imported by x); to add:\n\tgo get x",
      "GO_SUM_MISSING",
    ],
    [
      "main.go:5:2: no required module provides package a.com/b; to add it:\n\tgo get a.com/b",
      "GO_MODULE_NOT_REQUIRED",
    ],
    ["go: updates to go.mod needed; to update it:\n\tgo mod tidy", "GO_MOD_OUTDATED"],
    ["go: a.com/b@v1: reading https://p/a.com/b/@v/v1.mod: 404 Not Found", "GO_MODULE_NOT_FOUND"],
    ["verifying a.com/b@v1: checksum mismatch\n\tdownloaded: h1:x", "GO_SUM_MISMATCH"],
    ['a: Get "https://p": dial tcp: lookup p: no such host', "GO_PROXY_UNREACHABLE"],
    ["package x: build constraints exclude all Go files in /p", "NO_GO_FILES"],
    ["runtime.main_main·f: function main is undeclared in the main package", "COMPILE_FAILED"],
    ["signal: killed", "GO_FAILED"],
  ])("%j", (stderr, code) => {
    const error = goError({
      folder: "/p",
      stderr,
      exitCode: 1,
      compiler: "go 1.26",
      command: "go build",
      install: true,
    });
    expect(error).toMatchObject({ code, hint: expect.stringMatching(/./u) });
    expect(error.message).not.toContain("\n");
  });
});
