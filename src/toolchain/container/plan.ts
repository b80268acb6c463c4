import type { BuildFacts } from "../../domain/build-facts.ts";
import { type BuildLanguage, MODULE_FILE, type ToolchainRequest } from "../runner.ts";
import type { BuilderImage } from "./images.ts";

/** Where things are inside a container, the same as in the old tool's. */
export const WORKSPACE = "/src/workspace";
export const OUTPUT = "/build_output";
/** What is kept from one build to the next. */
export const CACHE = "/cache";
/** What is kept for one project alone. */
export const PROJECT_CACHE: string = `${CACHE}/project`;
/** Where the module belongs. */
export const MODULE: string = `${OUTPUT}/${MODULE_FILE}`;
/** A copy of the source for tools that write beside it; gone with the container. */
export const COPY = "/tmp/project";

/** A project, and the image it is built in. */
export interface PlanRequest {
  readonly language: BuildLanguage;
  /** Absolute, without links. */
  readonly folder: string;
  readonly request: ToolchainRequest;
  readonly image: BuilderImage;
}

/** What runs in a container. */
export interface ContainerPlan {
  /** A shell script for an image of the kind `tools`; an image of the kind `builder` runs by itself. */
  readonly script: string | undefined;
  /** Variables it gets. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether sources and image alone decide the module: what it depends on is locked. */
  readonly pinned: boolean;
  /** Whether the module gains by `wasm-opt`. */
  readonly optimize: boolean;
  /** What is known of the build beforehand. */
  readonly facts: Pick<BuildFacts, "sdk" | "target">;
  /** Makes `rustc 1.95.0` of what the compiler in the container said of itself. */
  readonly label: (said: string) => string;
}

/** Words for a shell, quoted where it needs that. */
export function shellWords(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/u.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`))
    .join(" ");
}

/** Lines that copy the source, without what other builds left there, and go there. */
export function intoCopy(without: readonly string[]): readonly string[] {
  const left = ["node_modules", ".git", ...without].join("|");
  return [
    `mkdir -p ${COPY}`,
    `for entry in ${WORKSPACE}/* ${WORKSPACE}/.[!.]*; do`,
    `  case "\${entry##*/}" in ${left}) continue ;; esac`,
    // A pattern that fits nothing stands for itself.
    `  if [ -e "$entry" ] || [ -L "$entry" ]; then cp -a "$entry" ${COPY}/; fi`,
    "done",
    `cd ${COPY}`,
  ];
}

/** A script that stops at the first command that fails, and tells the compiler's version to wasme. */
export function scriptOf(version: readonly string[], lines: readonly string[]): string {
  return ["set -eu", `cd ${WORKSPACE}`, `${shellWords(version)} > ${OUTPUT}/compiler`, ...lines, ""].join("\n");
}

/** Lines that take the one file that fits, and complain otherwise. `pattern` is the shell's: names or a command. */
export function onlyModule(pattern: string, hint: string): readonly string[] {
  return [
    `set -- ${pattern}`,
    'if [ ! -f "${1-}" ]; then set --; fi',
    `if [ $# -ne 1 ]; then echo "error: the build made $# modules, not one: ${hint}" >&2; exit 1; fi`,
    `cp "$1" ${MODULE}`,
  ];
}
