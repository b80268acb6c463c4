import { copyFile, realpath } from "node:fs/promises";
import { join, relative } from "node:path";
import type { EventSink } from "../../domain/events.ts";
import { writeError } from "../../platform/atomic-file.ts";
import { installHint } from "../install-hint.ts";
import { runTool } from "../run-tool.ts";
import {
  type BuiltModule,
  MODULE_FILE,
  type ToolchainDeps,
  type ToolchainRequest,
  type ToolchainRunner,
} from "../runner.ts";
import { withScratch } from "../scratch.ts";
import { toolMissing } from "../tool-missing.ts";
import { cppError } from "./build-error.ts";
import { compileSteps } from "./flags.ts";
import { type Candidate, findNative, type NativeCompiler } from "./native.ts";
import { buildWithNpmClang, findNpmClang, NPM_TARGET } from "./npm-clang.ts";
import { type OwnBuildRequest, runOwnBuild } from "./own-build.ts";
import {
  bazelMark,
  type CppProject,
  NPM_CLANG,
  NPM_CLANG_VERSION,
  readCppProject,
  recogniseCppProject,
} from "./project.ts";
import { reportCpp } from "./report.ts";
import { requireFilter } from "./require-filter.ts";

/**
 * C++ (and C), by the first that serves: the project's own makefile or CMake; `em++`; `clang++` with a WASI sysroot; the
 * clang that npm brings into the project, which needs nothing but Node.
 */
export const cpp: ToolchainRunner = {
  language: "cpp",
  marks: `CMakeLists.txt, ${NPM_CLANG} in package.json, or .cc and .cpp files beside runtime-config.json`,
  detect: recogniseCppProject,
  build,
  report: reportCpp,
};

async function build(deps: ToolchainDeps, request: ToolchainRequest, events: EventSink): Promise<BuiltModule> {
  const built = await firstThatServes(deps, request, events);
  await requireFilter(built.modulePath);
  return built;
}

async function firstThatServes(
  deps: ToolchainDeps,
  request: ToolchainRequest,
  events: EventSink,
): Promise<BuiltModule> {
  const project = await readCppProject(await realpath(request.source));
  if (project.ownBuild === undefined && project.sources.length === 0) throw await onlyBazel(project.folder);
  if (request.builder === "npm") return await npmBuild(deps, { project, request }, events);
  const candidates = await findNative(deps);
  const compiler = candidates.find((item) => item.compiler !== undefined)?.compiler;
  if (project.ownBuild !== undefined) {
    return await ownBuild(deps, { project, own: project.ownBuild, request, compiler }, events);
  }
  if (compiler !== undefined) {
    await compileNatively(deps, { project, compiler, outDir: request.outDir }, events);
    const modulePath = join(request.outDir, MODULE_FILE);
    return { modulePath, toolchain: compiler.label, facts: factsOf(compiler.label, compiler.target) };
  }
  const byNpm = project.namesClang || (await findNpmClang(project)) !== undefined;
  if (byNpm && request.builder === "auto") return await npmBuild(deps, { project, request }, events);
  throw await noCompiler(candidates, byNpm);
}

async function ownBuild(deps: ToolchainDeps, work: OwnBuildRequest, events: EventSink): Promise<BuiltModule> {
  const { own, compiler, request } = work;
  const made = await runOwnBuild(deps, work, events);
  const modulePath = join(request.outDir, MODULE_FILE);
  if (made !== modulePath) await copyModule(made, modulePath);
  const label = compiler === undefined ? own.tool : `${compiler.label} by ${own.tool}`;
  return { modulePath, toolchain: label, facts: factsOf(label, compiler?.target) };
}

function factsOf(compiler: string, target: string | undefined): BuiltModule["facts"] {
  return { language: "cpp", compiler, ...(target !== undefined && { target }), builder: "native" };
}

async function npmBuild(
  deps: ToolchainDeps,
  work: { readonly project: CppProject; readonly request: ToolchainRequest },
  events: EventSink,
): Promise<BuiltModule> {
  const { label, inputHash, optimizer } = await buildWithNpmClang(deps, work, events);
  const facts = {
    language: "cpp",
    compiler: label,
    target: NPM_TARGET,
    ...(optimizer !== undefined && { optimizer }),
    builder: "npm",
    inputHash,
  } as const;
  return { modulePath: join(work.request.outDir, MODULE_FILE), toolchain: label, facts };
}

interface NativeBuild {
  readonly project: CppProject;
  readonly compiler: NativeCompiler;
  readonly outDir: string;
}

async function compileNatively(deps: ToolchainDeps, work: NativeBuild, events: EventSink): Promise<void> {
  const { project, compiler, outDir } = work;
  const map = `-ffile-prefix-map=${project.folder}=.`;
  const flags = { ...compiler.flags, compile: [...compiler.flags.compile, map] };
  const id = "compile";
  events({ type: "task.start", id, message: `Compiling with ${compiler.label}` });
  let ok = false;
  try {
    const out = `${relative(project.folder, outDir) || "."}/`;
    await withScratch(deps.paths.tmp, async (scratch) => {
      const env = { ...deps.env, TMPDIR: scratch, TMP: scratch, TEMP: scratch };
      for (const { c, args } of compileSteps(project, flags, out)) {
        const command = c ? compiler.cCommand : compiler.command;
        const result = await runTool(deps, { command, args, cwd: project.folder, env }, events);
        const said = `${result.stdout}\n${result.stderr}`;
        if (!result.ok) throw await cppError({ said, exitCode: result.exitCode, label: compiler.label, npm: false });
      }
    });
    ok = true;
  } finally {
    events({ type: "task.end", id, ok });
  }
}

async function copyModule(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to);
  } catch (error) {
    throw writeError(error, to);
  }
}

async function onlyBazel(folder: string): Promise<Error> {
  const mark = await bazelMark(folder);
  const what =
    mark === undefined
      ? `there is nothing to compile in ${folder}`
      : `the project in ${folder} is built by Bazel (${mark})`;
  return toolMissing("TOOL_UNFIT", `${what}; only a container can build it`, {
    hint: "add --builder container, or move the sources into a project of wasme init --language cpp",
  });
}

/** Nothing serves: what was looked for, and what to type. */
async function noCompiler(candidates: readonly Candidate[], byNpm: boolean): Promise<Error> {
  const [first] = candidates;
  const npm = byNpm
    ? "leave out --builder native: npm brings the project's own compiler"
    : `npm install --save-dev --save-exact ${NPM_CLANG}@${NPM_CLANG_VERSION}`;
  const hint = `${npm}; or ${await installHint("clang")}`;
  if (first === undefined) {
    return toolMissing("TOOL_MISSING", "neither em++ nor clang++ is in PATH, one of which builds C++ filters", {
      hint,
    });
  }
  const message = `${first.name} in ${first.path} cannot build filters: ${first.problem}`;
  return toolMissing("TOOL_UNFIT", message, { hint });
}
