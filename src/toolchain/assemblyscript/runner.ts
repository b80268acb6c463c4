import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { usageError } from "../../domain/errors.ts";
import type { EventSink } from "../../domain/events.ts";
import { writeError } from "../../platform/atomic-file.ts";
import {
  type BuiltModule,
  MODULE_FILE,
  type ToolchainDeps,
  type ToolchainRequest,
  type ToolchainRunner,
  type ToolReport,
} from "../runner.ts";
import { npmVersion } from "../npm.ts";
import { defaultArguments, fitArguments } from "./arguments.ts";
import { compileError, compilerLines } from "./build-error.ts";
import { compileAssemblyScript } from "./compile.ts";
import { ensureCompiler } from "./install.ts";
import { type AsCompiler, type AsProject, ENTRY, readAsProject, recogniseAsProject } from "./project.ts";
import { runBuildScript } from "./run-script.ts";
import { type BuildScript, readBuildScript } from "./script.ts";

/**
 * AssemblyScript with npm alone: the compiler is the one in the project. From 0.20 on it is called inside this
 * process with the arguments of the project's `asbuild` script; an older one, or a script that does more than run
 * `asc`, is run by npm.
 */
export const assemblyscript: ToolchainRunner = {
  language: "assemblyscript",
  marks: `asconfig.json, ${ENTRY}, or assemblyscript in package.json`,
  detect: recogniseAsProject,
  build,
  report,
};

async function build(deps: ToolchainDeps, request: ToolchainRequest, events: EventSink): Promise<BuiltModule> {
  const project = await readAsProject(request.source);
  const script = readBuildScript(project.scripts);
  const compiler = await ensureCompiler(deps, { project, install: request.install }, events);
  const modulePath = join(request.outDir, MODULE_FILE);
  const label = `assemblyscript ${compiler.version}`;
  const own = request.builder !== "npm" && compiler.api !== undefined && script.kind !== "custom";
  if (request.builder === "native" && !own) throw notNative(compiler, script);
  const id = "compile";
  events({ type: "task.start", id, message: `Compiling with ${label}${own ? "" : " (npm run asbuild)"}` });
  let ok = false;
  try {
    if (own) await saveModule(modulePath, await compile(deps, { project, compiler, script }, events));
    else await copyModule(await runBuildScript(deps, { project, compiler }, events), modulePath);
    ok = true;
  } finally {
    events({ type: "task.end", id, ok });
  }
  const facts = { language: "assemblyscript", compiler: label, builder: own ? "native" : "npm" } as const;
  return { modulePath, toolchain: label, facts };
}

/** The compiler comes with each project: only npm has to be there. */
async function report(deps: ToolchainDeps): Promise<readonly ToolReport[]> {
  const purpose = "installs the compiler that the project's lock file pins";
  const version = await npmVersion(deps);
  if (version !== undefined) return [{ tool: "npm", state: "ok", version, purpose }];
  return [{ tool: "npm", state: "missing", purpose, install: "install Node.js with npm" }];
}

interface Compilation {
  readonly project: AsProject;
  readonly compiler: AsCompiler;
  readonly script: BuildScript;
}

async function compile(deps: ToolchainDeps, compilation: Compilation, events: EventSink): Promise<Uint8Array> {
  const { project, compiler, script } = compilation;
  if (script.kind !== "asc" && !project.hasEntry && !project.hasAsconfig) {
    throw usageError("ENTRY_MISSING", `there is no ${ENTRY} in ${project.folder}`, {
      hint: 'name the entry file in a script: "asbuild": "asc assembly/main.ts --target release"',
    });
  }
  const given = script.kind === "asc" ? script.argv : defaultArguments(project);
  const { argv, notes } = await fitArguments(given, project, compiler);
  for (const message of notes) events({ type: "warning", message });
  events({ type: "debug", message: `asc ${argv.join(" ")}` });
  const onLine = (line: string): void => events({ type: "output", line });
  const result = await compileAssemblyScript({
    api: compiler.api ?? "",
    argv,
    folder: project.folder,
    env: deps.env,
    signal: deps.signal,
    onLine,
  });
  for (const line of compilerLines(result.text)) onLine(line);
  if (result.wasm === undefined || result.error !== undefined) throw compileError(result, compiler);
  return result.wasm;
}

async function saveModule(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeFile(path, bytes);
  } catch (error) {
    throw writeError(error, path);
  }
}

async function copyModule(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to);
  } catch (error) {
    throw writeError(error, to);
  }
}

function notNative(compiler: AsCompiler, script: BuildScript): Error {
  const why =
    script.kind === "custom"
      ? "the project's asbuild script does more than run asc"
      : `assemblyscript ${compiler.version} can only be run by a script`;
  return usageError("BUILDER_UNFIT", `cannot build natively: ${why}`, { hint: "leave out --builder native" });
}
