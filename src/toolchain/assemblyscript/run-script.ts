import { stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { usageError, WasmeError } from "../../domain/errors.ts";
import type { EventSink } from "../../domain/events.ts";
import { runNpm, tellNpmErrors } from "../npm.ts";
import type { ToolchainDeps } from "../runner.ts";
import { configuredOutput } from "./asconfig.ts";
import { compilerHint } from "./hints.ts";
import type { AsCompiler, AsProject } from "./project.ts";
import { readBuildScript, SCRIPT } from "./script.ts";

/**
 * Builds with the project's own `asbuild` script, as `npm run asbuild` would, and returns the file it wrote: the
 * output that the script or `asconfig.json` names, else `build/optimized.wasm` or `build/release.wasm`. A file left
 * by an earlier build does not count. Throws `SCRIPT_MISSING` (usage), `SCRIPT_FAILED` and `SCRIPT_WROTE_NOTHING`
 * (build-failed).
 */
export async function runBuildScript(
  deps: ToolchainDeps,
  { project, compiler }: { readonly project: AsProject; readonly compiler: AsCompiler },
  events: EventSink,
): Promise<string> {
  if (project.scripts[SCRIPT] === undefined) {
    throw usageError("SCRIPT_MISSING", `package.json in ${project.folder} has no script "${SCRIPT}"`, {
      hint: `AssemblyScript ${compiler.version} is built by that script; or take 0.20 or later: npm install --save-dev assemblyscript`,
    });
  }
  const candidates = await outputsOf(project);
  const before = await Promise.all(candidates.map(stamp));
  const result = await runNpm(deps, { args: ["run", SCRIPT], folder: project.folder }, events);
  if (!result.ok) {
    tellNpmErrors(result, "debug", events);
    throw scriptError(result.lines, compiler, project);
  }
  const after = await Promise.all(candidates.map(stamp));
  const written = candidates.find((_, index) => after[index] !== undefined && after[index] !== before[index]);
  if (written !== undefined) return written;
  const names = candidates.map((path) => relative(project.folder, path)).join(", ");
  const stale = candidates.find((_, index) => after[index] !== undefined);
  const hint =
    stale === undefined
      ? bindingsTrap(project, compiler)
      : `if ${relative(project.folder, stale)} is up to date: wasme build precompiled`;
  throw new WasmeError(
    "build-failed",
    "SCRIPT_WROTE_NOTHING",
    `npm run ${SCRIPT} in ${project.folder} wrote none of ${names}`,
    { hint },
  );
}

/** Where the script may leave the module, absolute, likeliest first. */
export async function outputsOf(project: AsProject): Promise<readonly string[]> {
  const script = readBuildScript(project.scripts);
  const argv = script.kind === "asc" ? script.argv : [];
  const option = argv.findIndex((word) => OUTPUT_OPTIONS.has(word));
  const named = option === -1 ? undefined : argv[option + 1];
  const configured = await configuredOutput(join(project.folder, "asconfig.json"), "release");
  const usual = ["build/optimized.wasm", "build/release.wasm"].map((path) => join(project.folder, path));
  const all = [...(named?.endsWith(".wasm") === true ? [join(project.folder, named)] : []), configured, ...usual];
  return [...new Set(all.filter((path) => path !== undefined))];
}

const OUTPUT_OPTIONS: ReadonlySet<string> = new Set(["-b", "--binaryFile", "-o", "--outFile"]);

/** Changes whenever the file is written; `undefined` when there is none. */
async function stamp(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found === undefined ? undefined : `${found.ino} ${found.mtimeNs} ${found.size}`;
}

function scriptError(lines: readonly string[], compiler: AsCompiler, project: AsProject): Error {
  const text = lines.join("\n");
  const errors = lines.filter((line) => /^ERROR\b/u.test(line));
  const first = errors.find((line) => /^ERROR (?:AS|TS)\d/u.test(line)) ?? errors[0];
  const said = first === undefined ? "" : `: ${first.replace(/^ERROR[:\s]*/u, "")}`;
  const hint = compilerHint(text, compiler);
  return new WasmeError("build-failed", "SCRIPT_FAILED", `npm run ${SCRIPT} failed in ${project.folder}${said}`, {
    ...(hint === undefined ? {} : { hint }),
    details: { compiler: `assemblyscript ${compiler.version}` },
  });
}

function bindingsTrap(project: AsProject, compiler: AsCompiler): string {
  const old = /\s(?:-b|--binaryFile)[\s=]/u.test(Object.values(project.scripts).join("\n"));
  if (old && compiler.api !== undefined)
    return `-b means --bindings in AssemblyScript ${compiler.version}: name the module with -o`;
  return "let the script write build/release.wasm, or set outFile in asconfig.json";
}
