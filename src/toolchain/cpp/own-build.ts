import { createHash } from "node:crypto";
import { copyFile, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { WasmeError } from "../../domain/errors.ts";
import type { EventSink } from "../../domain/events.ts";
import { writeError } from "../../platform/atomic-file.ts";
import { findTool } from "../find-tool.ts";
import { runTool, type ToolResult } from "../run-tool.ts";
import { MODULE_FILE, type ToolchainDeps, type ToolchainRequest } from "../runner.ts";
import { toolMissing } from "../tool-missing.ts";
import { cppError } from "./build-error.ts";
import { COMMON, COMMON_CPP } from "./flags.ts";
import type { NativeCompiler } from "./native.ts";
import type { CppProject, OwnBuild } from "./project.ts";

/** A project with a makefile or a `CMakeLists.txt`, and the compiler it may use. */
export interface OwnBuildRequest {
  readonly project: CppProject;
  readonly own: OwnBuild;
  readonly request: ToolchainRequest;
  /** `undefined` when this machine has none that we know: the build may know one. */
  readonly compiler: NativeCompiler | undefined;
}

/**
 * Builds a project the way it says itself, and gives the module it wrote, absolute.
 *
 * `make` is run in the project with `CXX`, `CC`, `CXXFLAGS`, `CFLAGS`, `LDFLAGS` and `OUT` in its environment, so that
 * `?=` in the makefile takes them and `=` does not. The module is `OUT`, else the only `.wasm` in the project's folder,
 * `build/`, `out/` or `bin/`, or the only one of them that was written just now.
 *
 * `cmake` is run with a tool chain file of ours in a folder of its own below `$WASME_HOME/cache`, which is kept, so that
 * only what changed is compiled again. The module is the only `.wasm` file there.
 *
 * Throws `TOOL_MISSING` where the tool is not there, `COMPILE_FAILED` and `MODULE_NOT_MADE` (build-failed).
 */
export async function runOwnBuild(deps: ToolchainDeps, work: OwnBuildRequest, events: EventSink): Promise<string> {
  const { own, project, compiler } = work;
  const command = await findTool(deps.env, own.tool);
  if (command === undefined) {
    throw toolMissing(
      "TOOL_MISSING",
      `the project in ${project.folder} is built by ${own.tool}, which is not in PATH`,
      {
        hint: `install ${own.tool}, or remove ${own.file}: wasme compiles the sources in src/ by itself`,
      },
    );
  }
  const id = "compile";
  const by = compiler === undefined ? "" : ` and ${compiler.label}`;
  events({ type: "task.start", id, message: `Building with ${own.tool}${by}` });
  let ok = false;
  try {
    const built =
      own.tool === "make"
        ? await runMake(deps, { ...work, command }, events)
        : await runCmake(deps, { ...work, command }, events);
    ok = true;
    return built;
  } finally {
    events({ type: "task.end", id, ok });
  }
}

interface Run extends OwnBuildRequest {
  readonly command: string;
}

async function runMake(deps: ToolchainDeps, run: Run, events: EventSink): Promise<string> {
  const { project, request, compiler, command } = run;
  const out = join(request.outDir, MODULE_FILE);
  const before = await modulesIn(project.folder, PLACES);
  const variables = compiler === undefined ? {} : variablesOf(compiler, project);
  const env = { ...deps.env, ...variables, OUT: out };
  const result = await runTool(deps, { command, args: [], cwd: project.folder, env }, events);
  if (!result.ok) throw await failed(result, run);
  if ((await stat(out).catch(() => undefined))?.isFile() === true) return out;
  const after = await modulesIn(project.folder, PLACES);
  const written = after.filter(({ path, time }) => before.find((item) => item.path === path)?.time !== time);
  return only(written.length > 0 ? written : after, run, "let the makefile write the module to $(OUT)");
}

async function runCmake(deps: ToolchainDeps, run: Run, events: EventSink): Promise<string> {
  const { project, request, compiler, command } = run;
  const name = createHash("sha256")
    .update(`${project.folder} ${compiler?.command ?? ""}`)
    .digest("hex")
    .slice(0, 16);
  const folder = join(deps.paths.home, "cache", "cmake", name);
  const file = join(request.outDir, "toolchain.cmake");
  try {
    await mkdir(folder, { recursive: true });
    if (compiler !== undefined) await writeFile(file, toolchainFile(compiler, project));
  } catch (error) {
    throw writeError(error, folder);
  }
  const kept = join(folder, "wasme-toolchain.cmake");
  if (compiler !== undefined) await copyFile(file, kept);
  const toolchain = compiler === undefined ? [] : [`-DCMAKE_TOOLCHAIN_FILE=${kept}`];
  const configure = ["-S", project.folder, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", ...toolchain];
  // A module of a target that is gone must not be taken for the one that was asked for; linking anew is quick.
  for (const { path } of await modulesIn(folder, undefined)) await rm(path, { force: true });
  for (const args of [configure, ["--build", folder, "--parallel"]]) {
    const result = await runTool(deps, { command, args, cwd: project.folder }, events);
    if (!result.ok) throw await failed(result, run);
  }
  const found = await modulesIn(folder, undefined);
  return only(found, run, "add_executable(filter src/filter.cc) makes one");
}

/** The usual variables of make, for a compiler. */
export function variablesOf(compiler: NativeCompiler, project: CppProject): Readonly<Record<string, string>> {
  // Make and CMake part these at spaces, and make reads `$` in them: such a folder stays in the module's messages.
  const map = PLAIN_PATH.test(project.folder) ? [`-ffile-prefix-map=${project.folder}=.`] : [];
  const flags = [...compiler.flags.compile, ...COMMON, ...map];
  return {
    CXX: compiler.command,
    CC: compiler.cCommand,
    CXXFLAGS: [...flags, ...COMMON_CPP].join(" "),
    CFLAGS: flags.join(" "),
    LDFLAGS: compiler.flags.link.join(" "),
  };
}

const PLAIN_PATH = /^[\p{L}\p{N}\p{M}\w./:@+,~-]+$/u;

/** What makes CMake build for WebAssembly with a compiler. It is told not to try: its own trial is no filter. */
export function toolchainFile(compiler: NativeCompiler, project: CppProject): string {
  const { CXX = "", CC = "", CXXFLAGS = "", CFLAGS = "", LDFLAGS = "" } = variablesOf(compiler, project);
  const settings = {
    CMAKE_SYSTEM_NAME: "Generic",
    CMAKE_SYSTEM_PROCESSOR: "wasm32",
    CMAKE_CXX_COMPILER: CXX,
    CMAKE_C_COMPILER: CC,
    CMAKE_CXX_FLAGS_INIT: CXXFLAGS,
    CMAKE_C_FLAGS_INIT: CFLAGS,
    CMAKE_EXE_LINKER_FLAGS_INIT: LDFLAGS,
    // Not CMAKE_EXECUTABLE_SUFFIX, which the generic platform empties again.
    CMAKE_EXECUTABLE_SUFFIX_CXX: ".wasm",
    CMAKE_EXECUTABLE_SUFFIX_C: ".wasm",
    CMAKE_TRY_COMPILE_TARGET_TYPE: "STATIC_LIBRARY",
    CMAKE_CXX_COMPILER_WORKS: "1",
    CMAKE_C_COMPILER_WORKS: "1",
    CMAKE_CXX_FLAGS_RELEASE: "-DNDEBUG",
    CMAKE_C_FLAGS_RELEASE: "-DNDEBUG",
  };
  return Object.entries(settings)
    .map(([name, value]) => `set(${name} "${value.replaceAll(/["\\$]/gu, String.raw`\$&`)}")\n`)
    .join("");
}

interface Found {
  readonly path: string;
  readonly time: bigint;
}

/** Where a makefile may leave a module. */
const PLACES: readonly string[] = ["", "build", "out", "bin"];

/** Modules right in these folders; anywhere below `root` when there are none. */
async function modulesIn(root: string, places: readonly string[] | undefined): Promise<readonly Found[]> {
  const folders = places?.map((place) => join(root, place)) ?? [root];
  const entries = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(folder, { recursive: places === undefined }).catch(() => []);
      return names
        .filter((name) => name.endsWith(".wasm") && !name.includes("CMakeFiles"))
        .map((name) => join(folder, name));
    }),
  );
  const found = entries.flat().map(async (path) => ({ path, time: (await stat(path, { bigint: true })).mtimeNs }));
  return await Promise.all(found);
}

function only(found: readonly Found[], { own, project }: Run, hint: string): string {
  const [one, second] = found;
  if (one !== undefined && second === undefined) return one.path;
  const list = found
    .map(({ path }) => relative(project.folder, path))
    .map((path) => (path.startsWith("..") ? basename(path) : path));
  const what = one === undefined ? "made no .wasm file" : `made ${found.length} .wasm files: ${list.join(", ")}`;
  throw new WasmeError("build-failed", "MODULE_NOT_MADE", `${own.tool} built ${project.folder} and ${what}`, { hint });
}

async function failed(result: ToolResult, { own, project, compiler }: Run): Promise<WasmeError> {
  const said = `${result.stdout}\n${result.stderr}`;
  if (/(?:^|\s)error: /u.test(said) && compiler !== undefined) {
    return await cppError({ said, exitCode: result.exitCode, label: compiler.label, npm: false });
  }
  const end = result.exitCode === undefined ? "was ended" : `failed with exit code ${result.exitCode}`;
  const cmake = /^CMake Error[^\n]*:\s*\n\s*(\S.*)$/mu.exec(said)?.[1];
  const last = cmake ?? said.trim().split("\n").at(-1)?.trim() ?? "";
  return otherFailure(`${own.tool} ${end} in ${project.folder}: ${last}`, compiler);
}

function otherFailure(message: string, compiler: NativeCompiler | undefined): WasmeError {
  const hint =
    compiler === undefined
      ? "no compiler for WebAssembly was found to give to it as CXX: see wasme doctor"
      : `it got ${compiler.label} as CXX, and its flags as CXXFLAGS and LDFLAGS`;
  return new WasmeError("build-failed", "COMPILE_FAILED", message, { hint });
}
