import { readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { usageError } from "../../domain/errors.ts";
import type { EventSink } from "../../domain/events.ts";
import { isObject, tryParseJson } from "../../domain/json.ts";
import { writeError } from "../../platform/atomic-file.ts";
import { cachedBuild } from "../build-cache.ts";
import { type BuildInputs, hashInputs } from "../build-inputs.ts";
import { installPackages, installVerb } from "../npm-install.ts";
import { optimizeModule } from "../optimize.ts";
import { runTool } from "../run-tool.ts";
import { MODULE_FILE, type ToolchainDeps, type ToolchainRequest } from "../runner.ts";
import { cppError } from "./build-error.ts";
import { CLANG_LINK, compileSteps } from "./flags.ts";
import { type CppProject, NPM_CLANG, NPM_CLANG_VERSION } from "./project.ts";

/** The npm clang of a project. */
export interface NpmClang {
  readonly version: string;
  /** The file to import, absolute. */
  readonly entry: string;
}

/** What a build with npm clang says about itself. */
export interface NpmBuild {
  readonly label: string;
  readonly inputHash: string;
  readonly optimizer: string | undefined;
}

/** The target of npm clang; the only one it has a system for. */
export const NPM_TARGET = "wasm32-wasip1";

/**
 * The `@yowasp/clang` in the project's `node_modules`. One in a folder above counts only for a project without a lock
 * file of its own (a member of a workspace). `undefined` when there is none.
 */
export async function findNpmClang(project: Pick<CppProject, "folder" | "lockFile">): Promise<NpmClang | undefined> {
  for (let folder = project.folder; ; folder = dirname(folder)) {
    const place = join(folder, "node_modules", NPM_CLANG);
    const manifest = tryParseJson(await readFile(join(place, "package.json"), "utf8").catch(() => ""));
    const version = isObject(manifest) ? manifest["version"] : undefined;
    if (typeof version === "string") return { version, entry: join(place, "gen", "bundle.js") };
    if (project.lockFile !== undefined || folder === dirname(folder)) return undefined;
  }
}

/**
 * Builds with npm clang, installed by npm when the project's `node_modules` lacks it. The compiler sees the project's
 * files and nothing else of this machine, so that a module that was built before of the same files is taken from the
 * cache. Throws `INSTALL_REFUSED`, `COMPILER_NOT_NAMED`, `CPP_PROJECT_TOO_LARGE` (usage), what npm ran into, and
 * `COMPILE_FAILED`.
 */
export async function buildWithNpmClang(
  deps: ToolchainDeps,
  { project, request }: { readonly project: CppProject; readonly request: ToolchainRequest },
  events: EventSink,
): Promise<NpmBuild> {
  const clang = await ensureNpmClang(deps, { project, install: request.install }, events);
  const label = `clang ${clang.version}`;
  const steps = compileSteps(
    project,
    { compile: [`--target=${NPM_TARGET}`], link: [...CLANG_LINK, KEEP_FEATURES] },
    OUT,
  );
  const parts = ["npm clang 1", clang.version, JSON.stringify(steps)];
  const inputs = await hashInputs({ folder: project.folder, include: isSeen, parts });
  if (inputs === undefined) throw tooLarge(project.folder);
  const modulePath = join(request.outDir, MODULE_FILE);
  await cachedBuild(deps, { key: inputs.hash, modulePath }, async () => {
    await compile(deps, { project, clang, inputs, steps, modulePath, label }, events);
    return { keep: true, notes: {} };
  });
  const optimizer = await optimizeModule(deps, { modulePath, request }, events);
  return { label, inputHash: inputs.hash, optimizer };
}

interface Compilation {
  readonly project: CppProject;
  readonly clang: NpmClang;
  readonly inputs: BuildInputs;
  readonly steps: ReturnType<typeof compileSteps>;
  readonly modulePath: string;
  readonly label: string;
}

/**
 * Runs the compiler in a process of its own, for its half gigabyte and for the option that halves its start: with V8's
 * first compiler alone its 75 MB are ready in a second or two.
 */
async function compile(deps: ToolchainDeps, work: Compilation, events: EventSink): Promise<void> {
  const { project, clang, inputs, steps, modulePath, label } = work;
  const id = "compile";
  events({ type: "task.start", id, message: `Compiling with ${label} (npm)` });
  const files = [...inputs.files].map((file) => relative(project.folder, file).replaceAll("\\", "/"));
  const job = `${modulePath}.job.json`;
  const output = `${OUT}${MODULE_FILE}`;
  const text = JSON.stringify({ entry: clang.entry, folder: project.folder, files, steps, output, modulePath });
  await writeFile(job, text).catch((error: unknown) => {
    throw writeError(error, job);
  });
  let ok = false;
  try {
    const args = ["--liftoff-only", CHILD, job];
    const result = await runTool(deps, { command: process.execPath, args, cwd: project.folder }, events);
    ok = result.ok;
    if (!ok) throw await cppError({ said: result.stderr, exitCode: result.exitCode, label, npm: true });
  } finally {
    events({ type: "task.end", id, ok });
  }
}

async function ensureNpmClang(
  deps: ToolchainDeps,
  { project, install }: { readonly project: CppProject; readonly install: boolean },
  events: EventSink,
): Promise<NpmClang> {
  const present = await findNpmClang(project);
  if (present !== undefined) return present;
  if (project.namesClang && !install) {
    throw usageError("INSTALL_REFUSED", `${NPM_CLANG} is not installed in ${project.folder}`, {
      hint: `run npm ${installVerb(project)} there, or build without --no-install`,
    });
  }
  if (project.namesClang) await installPackages(deps, project, events);
  const installed = await findNpmClang(project);
  if (installed !== undefined) return installed;
  throw usageError("COMPILER_NOT_NAMED", `package.json in ${project.folder} does not bring ${NPM_CLANG}`, {
    hint: `npm install --save-dev --save-exact ${NPM_CLANG}@${NPM_CLANG_VERSION}`,
  });
}

/** What the compiler gets to see, and so what decides the module: not what tools made, documents or tests. */
function isSeen(path: string): boolean {
  return !/(?:^|\/)\.|^(?:build|dist|out)\/|\.(?:wasm|md|o|a|ya?ml)$|^(?:package(?:-lock)?|runtime-config|config\.schema)\.json$/u.test(
    path,
  );
}

function tooLarge(folder: string): Error {
  const what = "it has a link to a folder, more than 10 000 files or 64 MiB";
  return usageError("CPP_PROJECT_TOO_LARGE", `npm clang cannot be given all files of ${folder}: ${what}`, {
    hint: "name a smaller folder, or install a native compiler and add --builder native",
  });
}

/** The section that tells the optimizer which instructions the module may use. */
const KEEP_FEATURES = "-Wl,--keep-section=target_features";

/** The folder of results in the compiler's own file system. */
const OUT = ".wasme-out/";

/** Beside the command's own entry, the same place seen from `src/` and from `dist/`. */
const CHILD = fileURLToPath(new URL("../../../bin/clang-child.mjs", import.meta.url));
