import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { compileSteps } from "../../../../src/toolchain/cpp/flags.ts";
import { toolchainFile, variablesOf } from "../../../../src/toolchain/cpp/own-build.ts";
import { readCppProject, recogniseCppProject } from "../../../../src/toolchain/cpp/project.ts";
import { failure } from "../../../support/failure.ts";
import { tempDir } from "../../../support/temp-dir.ts";

/** A folder with these files; those without text are empty. */
async function project(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = tempDir();
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

const clang = JSON.stringify({ devDependencies: { "@yowasp/clang": "1" } });

describe("a C++ project", () => {
  it.for<readonly [string, Readonly<Record<string, string>>, string | undefined]>([
    ["CMake", { "CMakeLists.txt": "", "go.mod": "" }, "CMakeLists.txt"],
    ["its compiler", { "package.json": clang }, "@yowasp/clang in package.json"],
    ["sources beside a runtime config", { "src/a.cc": "", "runtime-config.json": "{}" }, "src/a.cc"],
    ["sources in the folder itself", { "a.cpp": "", "compile_flags.txt": "" }, "a.cpp"],
    ["a makefile and sources", { "src/deep/a.cxx": "", Makefile: "" }, "src/deep/a.cxx"],
    ["the rule of an old project", { BUILD: 'wasm_cc_binary(\n  name = "f.wasm")' }, "wasm_cc_binary in BUILD"],
    ["sources alone", { "src/a.cc": "" }, undefined],
    ["a makefile alone", { Makefile: "" }, undefined],
    ["C beside Go", { "cgo.c": "", "go.mod": "", "runtime-config.json": "{}" }, undefined],
    ["a Rust rule", { BUILD: "rust_binary()" }, undefined],
    ["another package", { "package.json": '{"devDependencies":{"assemblyscript":"1"}}' }, undefined],
  ])("is recognised by %s", async ([, files, mark]) => {
    expect(await recogniseCppProject(await project(files))).toBe(mark);
  });

  it("has its sources below src, in order; else in the folder", async () => {
    const both = await project({ "src/b.cc": "", "src/a.c": "", "src/x/c.cpp": "", "src/a.h": "", "other.cc": "" });
    expect((await readCppProject(both)).sources).toEqual(["src/a.c", "src/b.cc", "src/x/c.cpp"]);
    const flat = await project({ "b.cc": "", "a.cxx": "", "test/t.cc": "", "src/only.h": "" });
    expect((await readCppProject(flat)).sources).toEqual(["a.cxx", "b.cc"]);
  });

  it("takes from compile_flags.txt what is not for wasme to decide", async () => {
    const lines = [
      "-std=c++20",
      "",
      "# a comment",
      "-Iinclude",
      "--target=x86_64",
      "-target",
      "x86",
      "-xc++",
      "-x",
      "c++",
      "-c",
    ];
    lines.push("-o", "a.out", "-O2", "-DNAME=a b", "--sysroot=/opt", "-Wall\r");
    const folder = await project({ "a.cc": "", "compile_flags.txt": lines.join("\n") });
    expect((await readCppProject(folder)).flags).toEqual(["-std=c++20", "-Iinclude", "-O2", "-DNAME=a b", "-Wall"]);
  });

  it("may have a build of its own, a makefile before CMake", async () => {
    const own = async (files: Readonly<Record<string, string>>): Promise<unknown> =>
      (await readCppProject(await project(files))).ownBuild;
    expect(await own({ "CMakeLists.txt": "", Makefile: "" })).toEqual({ tool: "make", file: "Makefile" });
    expect(await own({ "CMakeLists.txt": "" })).toEqual({ tool: "cmake", file: "CMakeLists.txt" });
    expect(await own({ "a.cc": "" })).toBeUndefined();
  });

  it("needs something to compile", async () => {
    expect(await failure(readCppProject(await project({ "README.md": "" })))).toMatchObject({
      code: "CPP_SOURCES_MISSING",
      kind: "usage",
    });
  });
});

describe("the calls of the compiler", () => {
  const flags = { compile: ["--target=t"], link: ["-Wl,-x"] };

  it("compile C by itself, without what only C++ has, then all at once; the project's flags win", () => {
    const sources = ["a.c", "b.cc", "c.cc"];
    const steps = compileSteps({ sources, flags: ["-std=c++20", "-O2", "-frtti"] }, flags, "out/");
    expect(steps.map(({ c }) => c)).toEqual([true, false]);
    const [forC = [], forCpp = []] = steps.map(({ args }) => args);
    expect(forC.slice(-4)).toEqual(["-c", "a.c", "-o", "out/c-0.o"]);
    expect(forC.filter((flag) => /c\+\+|rtti|-Wl/u.test(flag))).toEqual([]);
    expect(forC).toEqual(expect.arrayContaining(["--target=t", "-O2"]));
    expect(forCpp.slice(-6)).toEqual(["-Wl,-x", "b.cc", "c.cc", "out/c-0.o", "-o", "out/filter.wasm"]);
    expect(forCpp.indexOf("-std=c++20")).toBeGreaterThan(forCpp.indexOf("-std=c++17"));
    expect(forCpp.indexOf("-O2")).toBeGreaterThan(forCpp.indexOf("-Oz"));
  });

  it("take no file's name for an option", () => {
    const steps = compileSteps({ sources: ["-o.c", "@x.cc", "src/-y.cc"], flags: [] }, flags, "out/");
    expect(steps[0]?.args).toContain("./-o.c");
    expect(steps[1]?.args.slice(-5, -3)).toEqual(["./@x.cc", "src/-y.cc"]);
  });
});

describe("what a build of the project's own is told", () => {
  const native = {
    kind: "clang++",
    command: "/usr/bin/clang++",
    cCommand: "/usr/bin/clang",
    label: "clang 19",
    target: "wasm32-wasip1",
    flags: { compile: ["--target=wasm32-wasip1"], link: [] },
  } as const;
  const of = (folder: string) => ({
    folder,
    sources: [],
    flags: [],
    ownBuild: undefined,
    namesClang: false,
    lockFile: undefined,
  });

  it("keeps the folder out of the module", () => {
    const { CXXFLAGS, CFLAGS } = variablesOf(native, of("/home/zoë/filter-1.0"));
    expect(CXXFLAGS).toContain("-ffile-prefix-map=/home/zoë/filter-1.0=. -std=c++17");
    expect(CFLAGS).toMatch(/-ffile-prefix-map=\/home\/zoë\/filter-1.0=.$/u);
  });

  it.each(["/home/my filters", "/home/$(shell id)", "/home/a'b", "/home/a;b", "/home/a\nb"])(
    "holds nothing of the folder %j, which would fall apart",
    (folder) => {
      expect(JSON.stringify(variablesOf(native, of(folder)))).not.toContain("/home");
      expect(toolchainFile(native, of(folder))).not.toContain("/home");
    },
  );
});
