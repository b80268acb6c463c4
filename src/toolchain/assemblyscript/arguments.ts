import { createRequire } from "node:module";
import { isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { configuredOutput } from "./asconfig.ts";
import { type AsCompiler, type AsProject, ENTRY, SDK } from "./project.ts";

/** Arguments for the compiler, and what the user should know about how they were read. */
export interface AscArguments {
  readonly argv: readonly string[];
  readonly notes: readonly string[];
}

/**
 * The folder of two small library files that the old Solo SDK needs on today's compilers: its releases import parts
 * of the standard library that are gone since (`rt/index-full` in 0.18, `bindings/wasi_unstable` in 0.21).
 */
export const SDK_SHIMS: string = fileURLToPath(
  new URL("../../../templates/.lib/assemblyscript-shims", import.meta.url),
);

/** What is compiled when no script says it: the entry file, in the release target of `asconfig.json` if there is one. */
export function defaultArguments(project: AsProject): readonly string[] {
  const entry = project.hasEntry ? [ENTRY] : [];
  return project.hasAsconfig ? [...entry, "--target", "release"] : [...entry, "--optimize"];
}

/**
 * Fits the arguments of a project's script to a run inside wasme's own process (`asc` 0.20 and later): everything is
 * resolved in the project, whatever the working directory is; the module gets a name; old spellings of the output
 * option are understood; the old SDK gets its missing library files.
 */
export async function fitArguments(
  argv: readonly string[],
  project: AsProject,
  compiler: AsCompiler,
): Promise<AscArguments> {
  const plan: Plan = {
    fitted: [],
    notes: [],
    baseDir: project.folder,
    config: "asconfig.json",
    target: "release",
    output: false,
  };
  const words = argv.flatMap(splitOption);
  for (let index = 0; index < words.length; index += 1) {
    const name = words[index] ?? "";
    const fit = FITTED[name];
    const value = words[index + 1];
    if (fit === undefined || value === undefined || value.startsWith("-")) plan.fitted.push(name);
    else {
      fit(plan, { name, value, project, compiler });
      index += 1;
    }
  }
  const configFile = resolve(plan.baseDir, plan.config);
  const named = plan.output || (await configuredOutput(configFile, plan.target)) !== undefined;
  const output = named ? [] : ["--outFile", DEFAULT_OUTPUT];
  const shims = project.dependencies.has(SDK) ? ["--lib", SDK_SHIMS] : [];
  return { argv: [...plan.fitted, ...output, ...shims, "--baseDir", plan.baseDir], notes: plan.notes };
}

/** `--option=value` as two words. */
function splitOption(word: string): readonly string[] {
  const match = /^(-\w|--\w{2,})=(.+)$/u.exec(word);
  return match === null ? [word] : [match[1] ?? "", match[2] ?? ""];
}

/** Names the module in its own source map; nothing is written there. */
const DEFAULT_OUTPUT = "build/release.wasm";

interface Plan {
  readonly fitted: string[];
  readonly notes: string[];
  baseDir: string;
  config: string;
  target: string;
  output: boolean;
}

interface Option {
  readonly name: string;
  readonly value: string;
  readonly project: AsProject;
  readonly compiler: AsCompiler;
}

/** Options with a value that need more than to be passed on. */
const FITTED: Readonly<Record<string, (plan: Plan, option: Option) => void>> = {
  "--baseDir": (plan, { value, project }) => {
    plan.baseDir = resolve(project.folder, value);
  },
  "--config": (plan, { name, value }) => {
    plan.config = value;
    plan.fitted.push(name, value);
  },
  "--target": (plan, { name, value }) => {
    plan.target = value;
    plan.fitted.push(name, value);
  },
  "--transform": (plan, { name, value, project }) => {
    const files = value.split(",").map((item) => resolveTransform(project, item.trim()));
    plan.fitted.push(name, files.join(","));
  },
  "--outFile": setOutput,
  "-o": setOutput,
  "-b": setBindings,
  "--bindings": setBindings,
  "--binaryFile": (plan, option) => setOldOutput(plan, option, "is gone"),
};

function setOutput(plan: Plan, { value }: Option): void {
  plan.fitted.push("--outFile", value);
  plan.output = true;
}

function setBindings(plan: Plan, option: Option): void {
  if (option.value.endsWith(".wasm")) setOldOutput(plan, option, "means --bindings");
  else plan.fitted.push(option.name, option.value);
}

function setOldOutput(plan: Plan, option: Option, now: string): void {
  const { name, compiler } = option;
  plan.notes.push(
    `${name} named the module before AssemblyScript 0.20, in ${compiler.version} it ${now}: read as --outFile`,
  );
  setOutput(plan, option);
}

/** A transform as the project means it: its own file, or a package of its `node_modules`. */
function resolveTransform(project: AsProject, name: string): string {
  if (isAbsolute(name)) return name;
  try {
    return createRequire(join(project.folder, "package.json")).resolve(name);
  } catch {
    return name;
  }
}
