import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { usageError } from "../../domain/errors.ts";
import type { CargoMetadata, CargoPackage } from "./metadata.ts";

/** The SDK every Rust filter uses. */
export const SDK = "proxy-wasm";

/**
 * What tells that a folder is a Rust project: `Cargo.toml`, or the `BUILD` file with a rule for Rust of the old tool's
 * projects.
 */
export async function recogniseRustProject(folder: string): Promise<string | undefined> {
  if (await isFile(join(folder, "Cargo.toml"))) return "Cargo.toml";
  return await bazelMark(folder);
}

/** The Bazel file of a Rust project without cargo; `undefined` when there is none. */
export async function bazelMark(folder: string): Promise<string | undefined> {
  for (const name of ["BUILD", "BUILD.bazel"]) {
    const text = await readFile(join(folder, name), "utf8").catch(() => "");
    const rule = /\brust_(?:binary|library|shared_library)\b/u.exec(text)?.[0];
    if (rule !== undefined) return `${rule} in ${name}`;
  }
  return undefined;
}

/** Whether a lock file pins the project's dependencies: its own, or that of the workspace it may belong to. */
export async function hasLockFile(folder: string): Promise<boolean> {
  for (let at = folder; ; at = dirname(at)) {
    if ((await isFile(join(at, "Cargo.lock"))) && (await isFile(join(at, "Cargo.toml")))) return true;
    if (at === dirname(at)) return false;
  }
}

/**
 * The package whose library is the filter: the one in the folder, or the only one of the workspace that makes a module.
 * Throws `CRATE_NOT_CDYLIB` and `SEVERAL_MODULES` (usage).
 */
export function filterPackage(metadata: CargoMetadata, folder: string): CargoPackage {
  const modules = metadata.defaults.filter((item) => item.cdylib);
  const [only, second] = modules;
  if (only === undefined) throw notCdylib(metadata.defaults, folder);
  if (second === undefined) return only;
  const names = modules.map((item) => item.name).join(", ");
  throw usageError("SEVERAL_MODULES", `the workspace in ${folder} makes ${modules.length} modules: ${names}`, {
    hint: `name the folder of one: wasme build rust ${only.folder} -t REF`,
  });
}

function notCdylib(packages: readonly CargoPackage[], folder: string): Error {
  const [first] = packages;
  const what =
    packages.length === 1 && first !== undefined ? `the crate ${first.name} in ${folder}` : `no crate in ${folder}`;
  const verb = packages.length === 1 ? "makes no module" : "makes a module";
  return usageError("CRATE_NOT_CDYLIB", `${what} ${verb}: its library is not of the type cdylib`, {
    hint:
      first?.library === false
        ? 'move the filter to src/lib.rs, and add to Cargo.toml: [lib] crate-type = ["cdylib"]'
        : 'add to Cargo.toml: [lib] crate-type = ["cdylib"]',
  });
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true;
}
