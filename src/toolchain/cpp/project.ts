import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { usageError } from "../../domain/errors.ts";
import { isObject, tryParseJson } from "../../domain/json.ts";

/** A C++ project as far as building needs it. */
export interface CppProject {
  /** Absolute. */
  readonly folder: string;
  /** C and C++ files, relative with `/`, in a fixed order: those below `src/`, else those in the folder itself. */
  readonly sources: readonly string[];
  /** What `compile_flags.txt` says, one argument each. */
  readonly flags: readonly string[];
  /** `CMakeLists.txt` or a makefile: the project knows how it is built. */
  readonly ownBuild: OwnBuild | undefined;
  /** Whether `package.json` names {@link NPM_CLANG}. */
  readonly namesClang: boolean;
  /** `package-lock.json` or `npm-shrinkwrap.json`, whichever npm would use. */
  readonly lockFile: string | undefined;
}

/** How a project with a build of its own is built. */
export interface OwnBuild {
  readonly tool: "make" | "cmake";
  /** `Makefile`, `CMakeLists.txt`. */
  readonly file: string;
}

/** clang compiled to WebAssembly, with all a filter needs: from npm, the same on every system. */
export const NPM_CLANG = "@yowasp/clang";

/** The version that goes with {@link NPM_CLANG} in hints: the one our templates pin. */
export const NPM_CLANG_VERSION = "22.0.0-git20542-10";

/**
 * What tells that a folder is a C++ filter: `CMakeLists.txt`, the compiler in `package.json`, C++ files beside something
 * of a filter or of a build, or the Bazel rule of the old tool's projects.
 */
export async function recogniseCppProject(folder: string): Promise<string | undefined> {
  const names = await namesIn(folder);
  if (names.has("CMakeLists.txt")) return "CMakeLists.txt";
  if ((await packagesOf(folder)).has(NPM_CLANG)) return `${NPM_CLANG} in package.json`;
  const source = (await findSources(folder)).find((name) => CPP.test(name));
  if (source !== undefined && BESIDE.some((name) => names.has(name))) return source;
  return await bazelMark(folder);
}

/**
 * Reads the project. Throws `CPP_SOURCES_MISSING` (usage) when there is nothing to compile. A build of its own is the
 * project's business, and needs no sources where we look for them.
 */
export async function readCppProject(folder: string): Promise<CppProject> {
  const [names, sources, text, packages] = await Promise.all([
    namesIn(folder),
    findSources(folder),
    readFile(join(folder, FLAGS_FILE), "utf8").catch(() => ""),
    packagesOf(folder),
  ]);
  const own = OWN_BUILDS.find(({ file }) => names.has(file));
  if (own === undefined && sources.length === 0 && (await bazelMark(folder)) === undefined) {
    throw usageError("CPP_SOURCES_MISSING", `there is no .cc, .cpp or .c file in ${folder} or its folder src`, {
      hint: "put the filter's sources into src/, or give the project a Makefile or a CMakeLists.txt",
    });
  }
  return {
    folder,
    sources,
    flags: readFlags(text),
    ownBuild: own,
    namesClang: packages.has(NPM_CLANG),
    lockFile: ["npm-shrinkwrap.json", "package-lock.json"].find((name) => names.has(name)),
  };
}

/** The Bazel file of a C++ filter without another build; `undefined` when there is none. */
export async function bazelMark(folder: string): Promise<string | undefined> {
  for (const name of ["BUILD", "BUILD.bazel"]) {
    const text = await readFile(join(folder, name), "utf8").catch(() => "");
    const rule = /\b(?:wasm_cc_binary|proxy_wasm_cc_binary|cc_binary)\b/u.exec(text)?.[0];
    if (rule !== undefined) return `${rule} in ${name}`;
  }
  return undefined;
}

/** Arguments for the compiler, one a line, as clangd reads them. */
const FLAGS_FILE = "compile_flags.txt";

/**
 * The arguments of a `compile_flags.txt` that a build can take: what is built, for what and from which system is decided
 * by the compiler that is found, not by what an editor is told.
 */
function readFlags(text: string): readonly string[] {
  const lines = text.split(/\r?\n/u).map((line) => line.trim());
  return lines.filter((line, index) => {
    const separate = /^(?:-target|-o|--sysroot|-isysroot|-x)$/u.test(lines[index - 1] ?? "");
    return (
      line !== "" && !line.startsWith("#") && !separate && !/^(?:-c$|-o|-x|-?-target|-?-sysroot|-isysroot)/u.test(line)
    );
  });
}

const OWN_BUILDS: readonly OwnBuild[] = [
  { tool: "make", file: "GNUmakefile" },
  { tool: "make", file: "makefile" },
  { tool: "make", file: "Makefile" },
  { tool: "cmake", file: "CMakeLists.txt" },
];

/** What C++ files have to lie beside to be taken for a filter. */
const BESIDE: readonly string[] = [
  "runtime-config.json",
  FLAGS_FILE,
  "filter.test.yaml",
  "proxy-wasm.h",
  "GNUmakefile",
  "makefile",
  "Makefile",
];

const CPP = /\.(?:cc|cpp|cxx|c\+\+|C)$/u;

/** Whether a source file is C, which is compiled by itself. */
export function isC(source: string): boolean {
  return source.endsWith(".c");
}

async function findSources(folder: string): Promise<readonly string[]> {
  const inside = await readdir(join(folder, "src"), { recursive: true, withFileTypes: true }).catch(() => []);
  const below = inside
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll("\\", "/"),
    );
  const found = sourcesOf(below);
  return found.length > 0 ? found : sourcesOf([...(await namesIn(folder))]);
}

function sourcesOf(names: readonly string[]): readonly string[] {
  return names.filter((name) => CPP.test(name) || isC(name)).toSorted((a, b) => (a < b ? -1 : 1));
}

async function namesIn(folder: string): Promise<ReadonlySet<string>> {
  const names = await readdir(folder).catch(() => []);
  const files = await Promise.all(
    names.map(async (name) => (await stat(join(folder, name)).catch(() => undefined))?.isFile() === true),
  );
  return new Set(names.filter((_, index) => files[index] === true));
}

async function packagesOf(folder: string): Promise<ReadonlySet<string>> {
  const manifest = tryParseJson(await readFile(join(folder, "package.json"), "utf8").catch(() => ""));
  if (!isObject(manifest)) return new Set();
  const groups = [manifest["dependencies"], manifest["devDependencies"], manifest["optionalDependencies"]];
  return new Set(groups.filter(isObject).flatMap((group) => Object.keys(group)));
}
