import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { cpp } from "../../src/toolchain/cpp/runner.ts";
import type { Builder, BuiltModule, ToolchainDeps } from "../../src/toolchain/runner.ts";
import { checkModule } from "../../src/wasm/check-module.ts";
import { aptProgram } from "../components/apt.ts";
import { CPP_PROJECTS, nativeClang, pathOf } from "../components/cpp.ts";
import { need } from "../components/require-component.ts";
import { failure } from "../support/failure.ts";
import { emptyFolder, outputOf, recorder, toolchainDeps } from "./build-support.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const TIMEOUT = 300_000;

/** A project without npm's compiler: whatever builds it is on this machine. */
async function project(name: keyof typeof CPP_PROJECTS = "starter", folder = "project"): Promise<string> {
  const target = join(await emptyFolder(), folder);
  for (const layer of CPP_PROJECTS[name]) await cp(join(ROOT, layer), target, { recursive: true });
  await rm(join(target, "package.json"));
  return target;
}

/** A machine with one clang, under its versioned name, and these tools. */
async function machine(context: TestContext, tools: readonly string[] = []): Promise<ToolchainDeps> {
  const clang = await need(context, "clang++ for WebAssembly", nativeClang);
  const programs = await Promise.all(tools.map((tool) => need(context, tool, () => aptProgram(tool))));
  const shells = ["/bin/sh", "/usr/bin/make", "/usr/bin/uname"].filter(
    (path) => tools.length > 0 || path === "/bin/sh",
  );
  const beside = [clang, clang.replace("clang++", "clang"), clang.replace("clang++", "wasm-ld")];
  const PATH = await pathOf(join(await emptyFolder(), "bin"), [...beside, ...programs, ...shells]);
  return toolchainDeps({ env: { PATH, HOME: await emptyFolder() } });
}

async function build(
  source: string,
  deps: ToolchainDeps,
  builder: Builder = "auto",
): Promise<BuiltModule & { readonly bytes: Buffer }> {
  const outDir = await emptyFolder();
  const built = await cpp.build(deps, { source, outDir, builder, install: false, optimize: false }, () => undefined);
  return { ...built, bytes: await readFile(built.modulePath) };
}

describe("clang++ with a WASI sysroot", { timeout: TIMEOUT }, () => {
  it("makes a small module of the starter, the same in every folder, under its versioned name", async (context) => {
    const deps = await machine(context);
    const first = await build(await project(), deps);
    expect(checkModule(first.bytes)).toMatchObject({ ok: true, abi: "0.2.1" });
    expect(first.bytes.length).toBeLessThan(30_000);
    expect(first.facts).toMatchObject({ builder: "native", compiler: expect.stringMatching(/^clang \d/u) });
    const second = await build(await project("starter", "quite-another"), deps, "native");
    expect(second.bytes.equals(first.bytes)).toBe(true);
  });

  it("compiles C and several C++ files", async (context) => {
    const built = await build(await project("sdk"), await machine(context));
    expect(checkModule(built.bytes)).toMatchObject({ ok: true });
  });

  it("is not taken where it has no sysroot, and that is told", async (context) => {
    const clang = await need(context, "clang++ for WebAssembly", nativeClang);
    const fake = join(await emptyFolder(), "clang++");
    await writeFile(fake, `#!/bin/sh\nexec ${clang} -nostdinc++ "$@"\n`, { mode: 0o755 });
    const deps = toolchainDeps({ env: { PATH: await pathOf(join(await emptyFolder(), "bin"), [fake, "/bin/sh"]) } });
    expect(await failure(build(await project(), deps))).toMatchObject({
      code: "TOOL_UNFIT",
      message: expect.stringContaining("'string' file not found"),
    });
    const report = await cpp.report(deps);
    expect(report.find(({ tool }) => tool === "clang++")).toMatchObject({ state: "unfit", where: expect.any(String) });
  });

  it("needs a filter in the module", async (context) => {
    const source = await project();
    await writeFile(
      join(source, "src/filter.cc"),
      '#include "proxy-wasm.h"\nclass F : public proxy_wasm::StreamContext {};\n',
    );
    expect(await failure(build(source, await machine(context)))).toMatchObject({
      code: "FILTER_NOT_REGISTERED",
      hint: expect.stringContaining("PROXY_WASM_FILTER"),
    });
  });

  it("is told of a callback that would never be called", async (context) => {
    const source = await project();
    const file = join(source, "src/filter.cc");
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replace("(bool /*endOfStream*/) override", "(unsigned, bool)"));
    expect(await failure(build(source, await machine(context)))).toMatchObject({
      message: expect.stringContaining("would never be called"),
    });
    // One that is private counts as overridden.
    await writeFile(file, text.replace(" public:\n", ""));
    expect(checkModule((await build(source, await machine(context))).bytes)).toMatchObject({ ok: true });
  });

  it("shows an error where it is in the project", async (context) => {
    const deps = await machine(context);
    const source = await project();
    await writeFile(
      join(source, "src/filter.cc"),
      'extern "C" int nowhere();\n__attribute__((export_name("f"))) int f() { return nowhere(); }\n',
    );
    const { events, sink } = recorder();
    const request = {
      source,
      outDir: await emptyFolder(),
      builder: "native",
      install: false,
      optimize: false,
    } as const;
    const error = await failure(cpp.build(deps, request, sink));
    expect(error).toMatchObject({
      code: "COMPILE_FAILED",
      message: expect.stringContaining("undefined symbol: nowhere"),
    });
    expect(outputOf(events)).toContain("undefined symbol");
  });

  it("leaves nothing in the temporary folder when it is ended in the middle", async (context) => {
    const clang = await need(context, "clang++ for WebAssembly", nativeClang);
    const slow = join(await emptyFolder(), "clang++");
    // What clang does with its object files: they are gone when it comes to its end, and only then.
    await writeFile(
      slow,
      `#!/bin/sh\ncase "$*" in *filter.cc*) ;; *) exec ${clang} "$@" ;; esac\n: > "$TMPDIR/filter-1.o"\necho begun\nwhile :; do :; done\n`,
      { mode: 0o755 },
    );
    const tmp = await emptyFolder();
    const controller = new AbortController();
    const bin = await pathOf(join(await emptyFolder(), "bin"), [slow, "/bin/sh"]);
    const PATH = `${bin}:${dirname(clang)}`;
    const deps = toolchainDeps({ env: { PATH, TMPDIR: tmp }, signal: controller.signal });
    const world = { ...deps, paths: { ...deps.paths, tmp } };
    const outDir = await emptyFolder();
    const source = await project();
    const request = { source, outDir, builder: "native", install: false, optimize: false } as const;
    const ended = cpp.build(world, request, (event) => {
      if (event.type === "output" && event.line === "begun") controller.abort(new Error("stopped"));
    });
    await expect(ended).rejects.toThrow("stopped");
    expect(await readdir(tmp)).toEqual([]);
    expect(await readdir(outDir)).toEqual([]);
  });

  it("is reported with its version", async (context) => {
    const report = await cpp.report(await machine(context));
    expect(report.find(({ tool }) => tool.startsWith("clang++-"))).toMatchObject({
      state: "ok",
      version: expect.stringMatching(/^\d+\./u),
    });
    expect(report.map(({ tool }) => tool)).toEqual(expect.arrayContaining(["@yowasp/clang", "make", "cmake"]));
  });
});

describe("a project with a build of its own", { timeout: TIMEOUT }, () => {
  const RULE = "\t$(CXX) $(CXXFLAGS) $(LDFLAGS) src/filter.cc -o $@\n";

  it("is built by make, which is told compiler, flags and file", async (context) => {
    const deps = await machine(context, ["make"]);
    const source = await project();
    await writeFile(join(source, "Makefile"), `OUT ?= build/filter.wasm\n$(OUT): src/filter.cc\n${RULE}`);
    const built = await build(source, deps);
    expect(checkModule(built.bytes)).toMatchObject({ ok: true });
    expect(built.toolchain).toMatch(/^clang \S+ by make$/u);
    const other = await project("starter", "other");
    await cp(join(source, "Makefile"), join(other, "Makefile"));
    expect((await build(other, deps)).bytes.equals(built.bytes)).toBe(true);
  });

  it("may write its module where it likes, and not write it again", async (context) => {
    const deps = await machine(context, ["make"]);
    const source = await project();
    await mkdir(join(source, "build"));
    await writeFile(join(source, "Makefile"), `build/mine.wasm: src/filter.cc\n${RULE}`);
    const built = await build(source, deps);
    expect(checkModule(built.bytes)).toMatchObject({ ok: true });
    expect((await build(source, deps)).bytes.equals(built.bytes)).toBe(true);
    await writeFile(join(source, "build", "old.wasm"), "old");
    expect(await failure(build(source, deps))).toMatchObject({
      code: "MODULE_NOT_MADE",
      message: expect.stringMatching(/2 \.wasm files: build\/\S+\.wasm, build\/\S+\.wasm/u),
      hint: expect.stringContaining("$(OUT)"),
    });
  });

  it("is built by CMake, twice the same", async (context) => {
    const deps = await machine(context, ["cmake"]);
    const source = await project();
    const lines = [
      "cmake_minimum_required(VERSION 3.16)",
      "project(filter CXX)",
      "add_executable(filter src/filter.cc)",
    ];
    await writeFile(join(source, "CMakeLists.txt"), lines.join("\n"));
    const built = await build(source, deps);
    expect(checkModule(built.bytes)).toMatchObject({ ok: true });
    expect((await build(source, deps)).bytes.equals(built.bytes)).toBe(true);
    await writeFile(join(source, "CMakeLists.txt"), lines.slice(0, 2).join("\n"));
    expect(await failure(build(source, deps))).toMatchObject({
      code: "MODULE_NOT_MADE",
      hint: expect.stringContaining("add_executable"),
    });
    await writeFile(join(source, "CMakeLists.txt"), "project(filter CXX)\nno_such_command()\n");
    expect(await failure(build(source, deps))).toMatchObject({
      code: "COMPILE_FAILED",
      message: expect.stringContaining("no_such_command"),
    });
  });

  it("fails with the words of the tool, and what it was given", async (context) => {
    const deps = await machine(context, ["make"]);
    const source = await project();
    await writeFile(join(source, "Makefile"), "all:\n\t@echo no luck today\n\t@exit 3\n");
    expect(await failure(build(source, deps))).toMatchObject({
      code: "COMPILE_FAILED",
      message: expect.stringContaining("make"),
      hint: expect.stringContaining("CXXFLAGS"),
    });
  });
});
