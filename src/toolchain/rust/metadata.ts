import { dirname, sep } from "node:path";
import { isObject, tryParseJson } from "../../domain/json.ts";

/** One package that takes part in a build. */
export interface CargoPackage {
  readonly name: string;
  readonly version: string;
  /** Absolute path of its `Cargo.toml`. */
  readonly manifest: string;
  /** Absolute. */
  readonly folder: string;
  /** From a registry. */
  readonly registry: boolean;
  /** A folder outside the workspace, named by its path. */
  readonly local: boolean;
  /** Whether it makes a module: it has a library of type `cdylib`. */
  readonly cdylib: boolean;
  /** Whether it has a library of any type. */
  readonly library: boolean;
}

/** What `cargo metadata` says, as far as building needs it. */
export interface CargoMetadata {
  /** Absolute. */
  readonly workspace: string;
  readonly targetFolder: string;
  /** Of the workspace and of all it depends on. */
  readonly packages: readonly CargoPackage[];
  /** What cargo builds in the folder when no package is named. */
  readonly defaults: readonly CargoPackage[];
}

/** Reads the output of `cargo metadata --format-version 1`; `undefined` when it is none. */
export function parseMetadata(text: string, folder: string): CargoMetadata | undefined {
  const value = tryParseJson(text);
  if (!isObject(value)) return undefined;
  const { workspace_root: workspace, target_directory: targetFolder, packages } = value;
  if (typeof workspace !== "string" || typeof targetFolder !== "string" || !Array.isArray(packages)) return undefined;
  const all = packages.filter(isObject).map((item) => ({ id: item["id"], read: readPackage(item, workspace) }));
  const members = new Set<unknown>(arrayOf(value["workspace_members"]));
  // Before 1.71 it was not told what is built by default.
  const named = value["workspace_default_members"];
  const defaults = new Set<unknown>(Array.isArray(named) ? named : members);
  const own = all.filter(({ read }) => read.folder === folder);
  const chosen = own.length > 0 ? own : all.filter(({ id }) => defaults.has(id));
  return {
    workspace,
    targetFolder,
    packages: all.map(({ read }) => read),
    defaults: chosen.filter(({ id }) => members.has(id)).map(({ read }) => read),
  };
}

function readPackage(item: Record<string, unknown>, workspace: string): CargoPackage {
  const manifest = String(item["manifest_path"]);
  const folder = dirname(manifest);
  const source = item["source"];
  const types = arrayOf(item["targets"])
    .filter(isObject)
    .map((target) => ({ kind: arrayOf(target["kind"]), types: arrayOf(target["crate_types"]) }));
  return {
    name: String(item["name"]),
    version: String(item["version"]),
    manifest,
    folder,
    registry: typeof source === "string" && /^(?:registry|sparse)\+/u.test(source),
    local: source === null && folder !== workspace && !folder.startsWith(workspace + sep),
    cdylib: types.some((target) => target.types.includes("cdylib") && !target.kind.includes("example")),
    library: types.some((target) => target.kind.some((kind) => LIBRARY_KINDS.has(kind))),
  };
}

const LIBRARY_KINDS: ReadonlySet<unknown> = new Set(["lib", "rlib", "dylib", "staticlib", "cdylib"]);

function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
