import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { compileFilter, compilerFolder, starterFolder, templateFolder } from "../conformance/support/compile-filter.ts";
import { installOnce } from "./cache.mjs";
import { clangBuild, clangVersion } from "./clang.ts";
import { CPP_PROJECTS, cppModule } from "./cpp.ts";
import { goBuild } from "./go.ts";
import { rustBuild, type RustTarget } from "./rust.ts";

/**
 * A filter that is built from `test/fixtures/filters`. `as-` and the name of a file in its folder `assemblyscript`;
 * `as-hello` and `cpp-hello` are the starters of the AssemblyScript and the C++ template, `cpp-sdk` calls each part of the C++ SDK. `rust-…` is built for wasip1, `rust-…-unknown` without WASI.
 * The `hello` ones add the response header `hello`: the plugin configuration or "world".
 */
export type FixtureName = CompiledFixture | `as-${string}`;

type CompiledFixture =
  | "c-hello"
  | "cpp-hello"
  | "cpp-sdk"
  | "rust-hello"
  | "rust-hello-unknown"
  | "go-hello"
  | "c-script"
  | "c-script-0.1.0"
  | "c-script-0.2.0"
  | "c-script-malloc"
  | "c-script-start"
  | "rust-tour"
  | "rust-tour-unknown";

/** The same small filter in every language. */
export const helloFixtures: readonly FixtureName[] = [
  "c-hello",
  "cpp-hello",
  "rust-hello",
  "rust-hello-unknown",
  "go-hello",
  "as-hello",
];

/**
 * The module of a fixture filter, built once per machine: the sources decide, so a changed one is built again. Throws
 * `MissingComponent` where its compiler cannot be had.
 */
export async function fixture(name: FixtureName): Promise<Uint8Array> {
  const recipe = recipeOf(name);
  const hash = createHash("sha256").update(`${FORMAT}\n${name}\n${recipe.version}`);
  for (const folder of recipe.folders) await hashFolder(folder, hash);
  const folder = await installOnce(`filter-${name}-${hash.digest("hex").slice(0, 16)}`, async (draft) => {
    await recipe.build(join(draft, "filter.wasm"));
  });
  return new Uint8Array(await readFile(join(folder, "filter.wasm")));
}

/** To be raised when a recipe below changes what it builds. */
const FORMAT = 1;

interface Recipe {
  /** Everything the module depends on. */
  readonly folders: readonly string[];
  readonly version: string;
  readonly build: (output: string) => Promise<void>;
}

const ROOT = new URL("../../", import.meta.url).pathname;
const FILTERS = join(ROOT, "test/fixtures/filters");

const FIXTURES: Readonly<Record<CompiledFixture, Recipe>> = {
  "c-hello": c("c-hello"),
  "cpp-hello": cpp("starter"),
  "cpp-sdk": cpp("sdk"),
  "rust-hello": rust("rust-hello", "wasm32-wasip1"),
  "rust-hello-unknown": rust("rust-hello", "wasm32-unknown-unknown"),
  "go-hello": go("go-hello"),
  "rust-tour": rust("rust-tour", "wasm32-wasip1"),
  "rust-tour-unknown": rust("rust-tour", "wasm32-unknown-unknown"),
  "c-script": c("c-script"),
  "c-script-0.1.0": c("c-script", ["-DABI=10"]),
  "c-script-0.2.0": c("c-script", ["-DABI=20"]),
  "c-script-malloc": c("c-script", ["-DBOTH_ALLOCATORS", "-DENTRY_MAIN"]),
  "c-script-start": c("c-script", ["-DONLY_MALLOC", "-DENTRY_START"]),
};

function recipeOf(name: FixtureName): Recipe {
  const known = (FIXTURES as Readonly<Record<string, Recipe>>)[name];
  if (known !== undefined) return known;
  if (name.startsWith("as-")) return assemblyScript(name.slice("as-".length));
  throw new Error(`there is no fixture filter "${name}"`);
}

/** A filter without SDK and libc. `c-script` (its `filter.c` says how) does what its configuration says. */
function c(folder: string, defines: readonly string[] = []): Recipe {
  const flags = ["--target=wasm32-unknown-unknown", "-nostdlib", "-fno-builtin", "-Os", "-Wl,--no-entry"];
  const link = ["-Wl,-z,stack-size=65536", "-Wl,--strip-all"];
  return clang(folder, ["clang", ...flags, ...defines, ...link, "filter.c"]);
}

/** A C++ project as this program builds it. */
function cpp(name: keyof typeof CPP_PROJECTS): Recipe {
  return {
    folders: CPP_PROJECTS[name].map((folder) => join(ROOT, folder)),
    version: clangVersion,
    build: (output) => cppModule(name, output),
  };
}

function clang(name: string, command: readonly string[]): Recipe {
  const folder = join(FILTERS, name);
  return {
    folders: [folder],
    version: `${clangVersion} ${command.join(" ")}`,
    build: (output) => clangBuild({ command, folder, output }),
  };
}

function rust(name: string, target: RustTarget): Recipe {
  const folder = join(FILTERS, name);
  return {
    folders: [folder],
    version: target,
    build: async (output) => writeFile(output, await rustBuild({ folder, target })),
  };
}

function go(name: string): Recipe {
  const directory = join(FILTERS, name);
  return {
    folders: [directory],
    version: "",
    build: (output) => goBuild({ directory, package: ".", output, filter: true }),
  };
}

function assemblyScript(name: string): Recipe {
  const source = name === "hello" ? undefined : name;
  return {
    // The template's package.json too: it has the compiler's version and arguments.
    folders: [templateFolder, join(starterFolder, "assembly"), join(FILTERS, "assemblyscript")],
    version: "",
    build: async (output) => {
      await compilerFolder();
      await writeFile(output, await compileFilter(source));
    },
  };
}

/** Adds the names and contents of all files of a folder to a hash. */
export async function hashFolder(folder: string, hash: ReturnType<typeof createHash>): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const file of files.toSorted()) hash.update(`${file.slice(folder.length)}\n`).update(await readFile(file));
}
