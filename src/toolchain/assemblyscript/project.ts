import { access, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { usageError } from "../../domain/errors.ts";
import { isObject, tryParseJson } from "../../domain/json.ts";

/** An AssemblyScript project as far as building needs it. */
export interface AsProject {
  /** Absolute. */
  readonly folder: string;
  readonly scripts: Readonly<Record<string, string>>;
  /** Every dependency of any kind, by package name. */
  readonly dependencies: ReadonlySet<string>;
  /** `package-lock.json` or `npm-shrinkwrap.json`, whichever npm would use. */
  readonly lockFile: string | undefined;
  readonly hasAsconfig: boolean;
  readonly hasEntry: boolean;
}

/** The compiler installed for a project. */
export interface AsCompiler {
  /** `0.28.20`. */
  readonly version: string;
  /** Major and minor as one comparable number: 0.28 is 28, 1.2 is 1002. */
  readonly level: number;
  /** The module with the `asc` API, absolute; `undefined` before 0.20. */
  readonly api: string | undefined;
}

/** Where the compiler starts when nothing else is said. */
export const ENTRY = "assembly/index.ts";

/** The packages that make a `package.json` one of an AssemblyScript filter. */
export const SDK = "@solo-io/proxy-runtime";

/** Reads the project. Throws `PACKAGE_JSON_INVALID` (usage) when `package.json` is missing or not JSON. */
export async function readAsProject(folder: string): Promise<AsProject> {
  const file = join(folder, "package.json");
  const manifest = tryParseJson((await textOf(file)) ?? "");
  if (!isObject(manifest)) {
    const problem = (await exists(file)) ? "is not a JSON object" : "does not exist";
    throw usageError("PACKAGE_JSON_INVALID", `${file} ${problem}`, {
      hint: "an AssemblyScript project has a package.json that names its compiler; wasme init makes one",
    });
  }
  const locks = ["npm-shrinkwrap.json", "package-lock.json"];
  const present = await Promise.all(locks.map((name) => exists(join(folder, name))));
  return {
    folder,
    scripts: stringsIn(manifest["scripts"]),
    dependencies: new Set(DEPENDENCY_KEYS.flatMap((key) => Object.keys(stringsIn(manifest[key])))),
    lockFile: locks.find((_, index) => present[index] === true),
    hasAsconfig: await exists(join(folder, "asconfig.json")),
    hasEntry: await exists(join(folder, ENTRY)),
  };
}

/**
 * What tells that a folder is an AssemblyScript project: a name from `package.json`, `asconfig.json` or the entry
 * file. `undefined` for any other folder.
 */
export async function recogniseAsProject(folder: string): Promise<string | undefined> {
  for (const name of ["asconfig.json", ENTRY]) {
    if (await exists(join(folder, name))) return name;
  }
  const manifest = tryParseJson((await textOf(join(folder, "package.json"))) ?? "");
  if (!isObject(manifest)) return undefined;
  const names = DEPENDENCY_KEYS.flatMap((key) => Object.keys(stringsIn(manifest[key])));
  const known = names.find((name) => name === "assemblyscript" || name === SDK);
  if (known !== undefined) return `${known} in package.json`;
  return stringsIn(manifest["scripts"])["asbuild"] === undefined ? undefined : "the script asbuild in package.json";
}

/**
 * The `assemblyscript` package in the project's `node_modules`. One in a folder above counts only for a project
 * without a lock file of its own (a member of a workspace). `undefined` when there is none.
 */
export async function findCompiler(project: AsProject): Promise<AsCompiler | undefined> {
  for (let folder = project.folder; ; folder = dirname(folder)) {
    const found = await compilerIn(join(folder, "node_modules", "assemblyscript"));
    if (found !== undefined || project.lockFile !== undefined || folder === dirname(folder)) return found;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function compilerIn(folder: string): Promise<AsCompiler | undefined> {
  const manifest = tryParseJson((await textOf(join(folder, "package.json"))) ?? "");
  const version = isObject(manifest) ? manifest["version"] : undefined;
  const match = typeof version === "string" ? /^(\d+)\.(\d+)\./u.exec(version) : null;
  if (!isObject(manifest) || typeof version !== "string" || match === null) return undefined;
  const level = Number(match[1]) * 1000 + Number(match[2]);
  if (level < CALLABLE) return { version, level, api: undefined };
  const file = apiFile(manifest["exports"]);
  const api = file === undefined ? undefined : join(folder, file);
  // An installation that was cut short may have the description without the compiler.
  return api !== undefined && (await exists(api)) ? { version, level, api } : undefined;
}

/** The file behind `import "assemblyscript/asc"`, relative to the package. */
function apiFile(exported: unknown): string | undefined {
  const entry = isObject(exported) ? exported["./asc"] : undefined;
  const file = isObject(entry) ? entry["import"] : undefined;
  return typeof file === "string" ? file : undefined;
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}

/** The first version with an API that can be imported: 0.20. */
const CALLABLE = 20;

const DEPENDENCY_KEYS = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"] as const;

function stringsIn(value: unknown): Readonly<Record<string, string>> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
