import { describe, expect, it } from "vitest";
import { parseMetadata } from "../../../../src/toolchain/rust/metadata.ts";
import { filterPackage } from "../../../../src/toolchain/rust/project.ts";
import { remapFlags } from "../../../../src/toolchain/rust/flags.ts";

interface Crate {
  readonly name: string;
  readonly folder: string;
  readonly types?: readonly string[];
  readonly source?: string;
  readonly kind?: string;
}

function metadataOf(crates: readonly Crate[], folder = "/w", defaults?: readonly string[]): string {
  const packages = crates.map(({ name, folder: at, types = ["cdylib"], source = null, kind }) => ({
    id: name,
    name,
    version: "1.0.0",
    manifest_path: `${at}/Cargo.toml`,
    source,
    targets: [{ kind: kind === undefined ? types : [kind], crate_types: types, name }],
  }));
  const members = packages.filter((item) => item.source === null).map(({ id }) => id);
  return JSON.stringify({
    packages,
    workspace_members: members,
    ...(defaults !== undefined && { workspace_default_members: defaults }),
    workspace_root: folder,
    target_directory: `${folder}/target`,
  });
}

function choose(crates: readonly Crate[], folder = "/w", defaults?: readonly string[]): string {
  const metadata = parseMetadata(metadataOf(crates, "/w", defaults), folder);
  if (metadata === undefined) throw new Error("no metadata");
  return filterPackage(metadata, folder).name;
}

describe("filterPackage", () => {
  const one = { name: "one", folder: "/w/one" };
  const two = { name: "two", folder: "/w/two" };

  it("takes the crate in the folder, whatever else the workspace makes", () => {
    expect(choose([one, two], "/w/two")).toBe("two");
  });

  it("takes the only one that makes a module", () => {
    expect(choose([{ ...one, types: ["lib"] }, two])).toBe("two");
    expect(choose([one, two], "/w", ["one"])).toBe("one");
    expect(
      choose([
        { ...one, types: ["rlib", "cdylib"] },
        { ...two, types: ["bin"] },
      ]),
    ).toBe("one");
  });

  it("names them all when there are several, and the folder of one to type", () => {
    expect(() => choose([one, two])).toThrow("makes 2 modules: one, two");
  });

  it("refuses libraries of other types, examples, and dependencies", () => {
    expect(() => choose([{ ...one, types: ["lib"] }], "/w/one")).toThrow("not of the type cdylib");
    expect(() => choose([{ ...one, kind: "example" }])).toThrow("not of the type cdylib");
    const foreign = { name: "x", folder: "/cargo/x", source: "registry+https://x" };
    expect(() => choose([foreign, { ...one, types: ["bin"] }])).toThrow("not of the type cdylib");
  });
});

describe("remapFlags", () => {
  it("leaves no folder of the machine, the narrowest last", () => {
    const crates = [
      { name: "filter", folder: "/h/p" },
      { name: "shared", folder: "/h/shared" },
      { name: "log", folder: "/h/.cargo/registry/src/index-123/log-0.4", source: "registry+https://x" },
    ];
    const metadata = parseMetadata(metadataOf(crates, "/h/p"), "/h/p");
    if (metadata === undefined) throw new Error("no metadata");
    const rust = { cargo: "", version: "1.95.0", commit: "abc", sysroot: "/h/r", rustup: undefined, targets: [] };
    expect(remapFlags(rust, metadata, { HOME: "/h" })).toEqual([
      "--remap-path-prefix=/h/.cargo=/cargo",
      "--remap-path-prefix=/h/.cargo/registry/src/index-123=/cargo/registry/src",
      "--remap-path-prefix=/h/r/lib/rustlib/src/rust=/rustc/abc",
      "--remap-path-prefix=/h/shared=/project/shared",
      "--remap-path-prefix=/h/p=/project",
      "--remap-path-prefix=/h/p/target=/project/target",
    ]);
  });
});
