import { readFile, realpath } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { digestOf } from "../../domain/digest.ts";
import { isObject, tryParseJson } from "../../domain/json.ts";
import { type BuildInputs, hashInputs, stampOf } from "../build-inputs.ts";
import { SDK_SHIMS } from "./arguments.ts";
import type { AsCompiler, AsProject } from "./project.ts";

/** All that decides what the compiler makes. */
export interface CompileInputs extends BuildInputs {
  /** Whether all that the compiler has read is covered by the hash. */
  covers(files: readonly string[]): boolean;
}

/**
 * Hashes what the compiler may read: the project's sources and settings, a stamp of its `node_modules`, the arguments.
 * `undefined` when that cannot be told: a step of the compiler (`transform`) other than the one of our template may
 * read anything, another configuration file too, and a compiler outside of the project is not known by its stamp.
 */
export async function compileInputs(
  project: AsProject,
  compiler: AsCompiler,
  argv: readonly string[],
): Promise<CompileInputs | undefined> {
  const { folder } = project;
  const modules = join(folder, "node_modules");
  if (compiler.api?.startsWith(modules + sep) !== true || !(await onlyOurTransform(folder, argv))) return undefined;
  const [stamp, shims, real] = await Promise.all([
    stampOf(modules),
    hashInputs({ folder: SDK_SHIMS, parts: [] }),
    realpath(modules).catch(() => modules),
  ]);
  if (stamp === undefined || shims === undefined) return undefined;
  const plain = argv.map((word) => word.replaceAll(SDK_SHIMS, "<shims>").replaceAll(folder, "<project>"));
  const parts = ["asc", compiler.version, stamp, shims.hash, ...plain];
  const inputs = await hashInputs({ folder, include: (path) => SOURCES.test(path), parts });
  if (inputs === undefined) return undefined;
  const known = [modules, real, SDK_SHIMS].map((place) => place + sep);
  return {
    ...inputs,
    covers: (files) => files.every((file) => inputs.files.has(file) || known.some((place) => file.startsWith(place))),
  };
}

/** What the compiler reads of a project: sources, `asconfig.json`, the descriptions of packages, transforms. */
const SOURCES = /\.(?:ts|json|js|mjs|cjs)$/u;

async function onlyOurTransform(folder: string, argv: readonly string[]): Promise<boolean> {
  if (argv.includes("--config") || argv.includes("--extension")) return false;
  const config = tryParseJson(await readFile(join(folder, "asconfig.json"), "utf8").catch(() => "{}"));
  if (!isObject(config) || config["extends"] !== undefined) return false;
  const targets = isObject(config["targets"]) ? Object.values(config["targets"]) : [];
  const configured = [config["options"], ...targets].flatMap((options) => transformsIn(options));
  const given = argv.flatMap((word, index) => (argv[index - 1] === "--transform" ? word.split(",") : []));
  const files = [...configured, ...given].map((name) => resolve(folder, name));
  const ours = digestOf(await readFile(OUR_TRANSFORM).catch(() => ""));
  const digests = await Promise.all(files.map(async (file) => digestOf(await readFile(file).catch(() => "none"))));
  return digests.every((digest) => digest === ours);
}

function transformsIn(options: unknown): readonly string[] {
  const value: unknown = isObject(options) ? options["transform"] : undefined;
  if (typeof value === "string") return value.split(",");
  return Array.isArray(value) ? value.map(String) : [];
}

/** It looks at the program that is compiled, and at nothing else. */
const OUR_TRANSFORM: string = fileURLToPath(
  new URL("../../../templates/assemblyscript/_common/assembly/proxy-wasm/export-only-used.mjs", import.meta.url),
);
