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
import { cachedBuild } from "../build-cache.ts";
import { installHint } from "../install-hint.ts";
import { npmVersion } from "../npm.ts";
import { defaultArguments, fitArguments } from "./arguments.ts";
import { compileError, compilerLines } from "./build-error.ts";
import { type CompileResult, compileAssemblyScript } from "./compile.ts";
import { compileInputs } from "./inputs.ts";
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
  const work = { project, compiler, script, label, modulePath };
  if (own) await compileOnce(deps, work, events);
  else {
    await asTask(events, `Compiling with ${label} (npm run asbuild)`, async () => {
      await copyModule(await runBuildScript(deps, { project, compiler }, events), modulePath);
    });
  }
  const facts = { language: "assemblyscript", compiler: label, builder: own ? "native" : "npm" } as const;
  return { modulePath, toolchain: label, facts };
}

async function asTask<T>(events: EventSink, message: string, work: () => Promise<T>): Promise<T> {
  const id = "compile";
  events({ type: "task.start", id, message });
  let ok = false;
  try {
    const result = await work();
    ok = true;
    return result;
  } finally {
    events({ type: "task.end", id, ok });
  }
}

/** The compiler comes with each project: only npm has to be there. */
async function report(deps: ToolchainDeps): Promise<readonly ToolReport[]> {
  const purpose = "installs the compiler that the project's lock file pins";
  const version = await npmVersion(deps);
  if (version !== undefined) return [{ tool: "npm", state: "ok", version, purpose }];
  return [{ tool: "npm", state: "missing", purpose, install: await installHint("node") }];
}

interface Compilation {
  readonly project: AsProject;
  readonly compiler: AsCompiler;
  readonly script: BuildScript;
  /** Compiler and version. */
  readonly label: string;
  readonly modulePath: string;
}

/** Compiles unless the same was compiled before; what the compiler said then is said again. */
async function compileOnce(deps: ToolchainDeps, work: Compilation, events: EventSink): Promise<void> {
  const { project, compiler, label, modulePath } = work;
  const argv = await argumentsOf(work, events);
  const inputs = await compileInputs(project, compiler, argv);
  const { hit, notes } = await cachedBuild(deps, { key: inputs?.hash, modulePath }, async () => {
    const made = await asTask(events, `Compiling with ${label}`, async () => {
      const result = await compile(deps, { compiler, argv, folder: project.folder }, events);
      await saveModule(modulePath, result.wasm);
      return result;
    });
    const output = compilerLines(made.text).join("\n");
    return { keep: inputs?.covers(made.files) === true, notes: { output } };
  });
  if (!hit) return;
  events({ type: "debug", message: `nothing has changed since ${label} made this module` });
  for (const line of compilerLines(notes["output"] ?? "")) events({ type: "output", line });
}

async function argumentsOf({ project, compiler, script }: Compilation, events: EventSink): Promise<readonly string[]> {
  if (script.kind !== "asc" && !project.hasEntry && !project.hasAsconfig) {
    throw usageError("ENTRY_MISSING", `there is no ${ENTRY} in ${project.folder}`, {
      hint: 'name the entry file in a script: "asbuild": "asc assembly/main.ts --target release"',
    });
  }
  const given = script.kind === "asc" ? script.argv : defaultArguments(project);
  const { argv, notes } = await fitArguments(given, project, compiler);
  for (const message of notes) events({ type: "warning", message });
  return argv;
}

async function compile(
  deps: ToolchainDeps,
  work: { readonly compiler: AsCompiler; readonly argv: readonly string[]; readonly folder: string },
  events: EventSink,
): Promise<CompileResult & { readonly wasm: Uint8Array }> {
  const { compiler, argv, folder } = work;
  events({ type: "debug", message: `asc ${argv.join(" ")}` });
  const onLine = (line: string): void => events({ type: "output", line });
  const request = { api: compiler.api ?? "", argv, folder, env: deps.env, signal: deps.signal, onLine };
  const result = await compileAssemblyScript(request);
  for (const line of compilerLines(result.text)) onLine(line);
  const { wasm } = result;
  if (wasm === undefined || result.error !== undefined) throw compileError(result, compiler);
  return { ...result, wasm };
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
