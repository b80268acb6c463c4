import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { tinygo as runner } from "../../src/toolchain/tinygo/runner.ts";
import { fakeProgram, writeTree } from "../support/fake-program.ts";
import { tempDir } from "../support/temp-dir.ts";
import { toolchainDeps } from "./build-support.ts";
import { buildFailure, buildProject, FILTERS } from "./toolchain-support.ts";

const tinygo = { language: "tinygo" } as const;
const SDK = "github.com/tetratelabs/proxy-wasm-go-sdk";

/** The files of a project of 2020, as the old tool's `init` wrote them. */
function oldProject(sdk = "v0.1.1", more = ""): Promise<string> {
  return writeTree(tempDir(), {
    "go.mod": `module github.com/solo-io/wasm-example\n\ngo 1.15\n\nrequire ${SDK} ${sdk}\n${more}`,
    "go.sum": "",
    "main.go": "package main\n",
    "runtime-config.json": "{}",
  });
}

/** A TinyGo that writes down how it was called and leaves a module where it is told to. */
async function fakeTinyGo(version: string, build?: string): Promise<{ PATH: string; folder: string }> {
  const folder = tempDir();
  await copyFile(join(FILTERS, "c-hello", "filter.wasm"), join(folder, "module.wasm"));
  const make = build ?? `printf '%s\\n' "$PWD" "$@" > "${folder}/args"; cp "${folder}/module.wasm" "$3"`;
  await fakeProgram(
    folder,
    "tinygo",
    `case "$1" in version) echo "tinygo version ${version} linux/amd64 (using go version go1.15.2 and LLVM version 11.0.0)";; *) ${make};; esac`,
  );
  return { PATH: `${folder}:/usr/bin:/bin`, folder };
}

async function argumentsOf(folder: string): Promise<readonly string[]> {
  return (await readFile(join(folder, "args"), "utf8")).trim().split("\n");
}

describe("a project of the old tool", () => {
  it("is built as its SDK wants it, without the flag that later compilers do not know", async () => {
    const source = await oldProject();
    const { PATH, folder } = await fakeTinyGo("0.17.0");
    const built = await buildProject({ ...tinygo, source, env: { PATH } });
    expect(built.facts).toEqual({
      language: "tinygo",
      compiler: "tinygo 0.17.0",
      sdk: "proxy-wasm-go-sdk v0.1.1",
      target: "wasi",
      builder: "native",
    });
    const [cwd, ...args] = await argumentsOf(folder);
    expect(cwd).toBe(source);
    expect(args).toEqual(["build", "-o", built.modulePath, "-target=wasi", "-scheduler=none", "-no-debug", "."]);
    expect(built.bytes.equals(await readFile(join(folder, "module.wasm")))).toBe(true);
  });

  it("is refused by name before a compiler that is known to fail on it", async () => {
    const { PATH, folder } = await fakeTinyGo("0.28.1");
    const { error } = await buildFailure({ ...tinygo, source: await oldProject(), env: { PATH } });
    expect(error).toMatchObject({ code: "TOOL_UNFIT" });
    expect(error.message).toContain(`TinyGo 0.28.1 cannot build ${SDK} v0.1.1`);
    await expect(argumentsOf(folder)).rejects.toThrow("ENOENT");
  });
});

describe("TinyGo", () => {
  it("gets the newer name of the target, and the flags of the collector that the project requires", async () => {
    const { PATH, folder } = await fakeTinyGo("0.38.0");
    const source = await oldProject("v0.24.0", "require github.com/wasilibs/nottinygc v0.7.1\n");
    await buildProject({ ...tinygo, source, env: { PATH } });
    const args = await argumentsOf(folder);
    expect(args).toContain("-target=wasip1");
    expect(args).toContain("-gc=custom");
    expect(args).toContain("-buildmode=wasi-legacy");
    expect(args.at(-1)).toBe(".");
  });

  it.each([
    ["0.34.0", []],
    ["0.35.0", ["-buildmode=c-shared"]],
    ["0.36.0", ["-buildmode=wasi-legacy"]],
    ["0.39.1", ["-buildmode=wasi-legacy"]],
  ])("%s is told to make a module that does not end when it starts: %j", async (version, modes) => {
    const { PATH, folder } = await fakeTinyGo(version);
    await buildProject({ ...tinygo, source: await oldProject("v0.24.0"), env: { PATH } });
    expect((await argumentsOf(folder)).filter((arg) => arg.startsWith("-buildmode"))).toEqual(modes);
  });

  it.each([
    ["echo 'error: requires go version 1.18 through 1.20, got go1.26' >&2; exit 1", "TOOL_UNFIT"],
    ["echo \"error: Linking globals named 'malloc': symbol multiply defined!\" >&2; exit 1", "TOOL_UNFIT"],
    ["echo 'main.go:3:2: undefined: x' >&2; exit 1", "COMPILE_FAILED"],
    ["exit 1", "GO_FAILED"],
  ])("that fails is told in one sentence: %s", async (build, code) => {
    const { PATH } = await fakeTinyGo("0.30.0", build);
    const { error } = await buildFailure({ ...tinygo, source: await oldProject("v0.22.0"), env: { PATH } });
    expect(error).toMatchObject({ code, hint: expect.stringMatching(/./u) });
  });

  it("that is missing or broken is told with the way to get one", async () => {
    const source = await oldProject("v0.22.0");
    const missing = await buildFailure({ ...tinygo, source, env: { PATH: tempDir() } });
    expect(missing.error).toMatchObject({ code: "TOOL_MISSING", hint: expect.stringContaining("inygo") });
    const bin = tempDir();
    await fakeProgram(bin, "tinygo", "echo no go in PATH >&2; exit 1");
    const broken = await buildFailure({ ...tinygo, source, env: { PATH: bin } });
    expect(broken.error).toMatchObject({ code: "TOOL_UNFIT", message: expect.stringContaining("no go in PATH") });
    expect(await runner.report(toolchainDeps({ env: { PATH: bin } }))).toMatchObject([{ state: "unfit" }]);
    expect(await runner.report(toolchainDeps({ env: { PATH: tempDir() } }))).toMatchObject([{ state: "optional" }]);
  });

  it("is not the compiler for the SDK of Go", async () => {
    const source = await writeTree(tempDir(), {
      "go.mod": "module x\nrequire github.com/proxy-wasm/proxy-wasm-go-sdk v0.0.0\n",
    });
    const { error } = await buildFailure({ ...tinygo, source, env: { PATH: "" } });
    expect(error).toMatchObject({ code: "SDK_UNFIT", hint: expect.stringContaining("build go") });
  });
});
