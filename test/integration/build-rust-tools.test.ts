import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { rust } from "../../src/toolchain/rust/runner.ts";
import { fakeProgram, writeTree } from "../support/fake-program.ts";
import { tempDir } from "../support/temp-dir.ts";
import { toolchainDeps } from "./build-support.ts";
import { buildFailure } from "./toolchain-support.ts";

/** A Rust of which only the compiler's answers are there. */
async function fakeRust(version: string, sysroot: string): Promise<{ PATH: string; HOME: string }> {
  const bin = tempDir();
  await fakeProgram(bin, "cargo", "echo cargo was called >&2; exit 1");
  await fakeProgram(bin, "rustc", `case "$*" in -vV) echo "release: ${version}";; *) echo "${sysroot}";; esac`);
  return { PATH: `${bin}:/usr/bin:/bin`, HOME: tempDir() };
}

async function project(): Promise<string> {
  return await writeTree(tempDir(), { "Cargo.toml": "[package]" });
}

describe("a Rust that cannot build filters", () => {
  it("is missing: what to install", async () => {
    const env = { PATH: tempDir(), HOME: tempDir() };
    const { error } = await buildFailure({ language: "rust", source: await project(), env });
    expect(error).toMatchObject({ code: "TOOL_MISSING", kind: "build-failed", hint: expect.stringMatching(/rust/u) });
  });

  it("is installed and not in PATH: the line to type", async () => {
    const home = tempDir();
    await fakeProgram(join(home, ".cargo", "bin"), "cargo", "");
    const env = { PATH: tempDir(), HOME: home };
    const { error } = await buildFailure({ language: "rust", source: await project(), env });
    expect(error.hint).toContain(`export PATH="${join(home, ".cargo", "bin")}:$PATH" (wasme doctor rust`);
  });

  it.each([
    ["1.95.0", "toolchains/stable-x86_64", "rustup target add wasm32-wasip1"],
    ["1.70.0", "toolchains/1.70.0-x86_64", "rustup target add wasm32-wasi --toolchain 1.70.0-x86_64"],
  ])("lacks the target (%s in %s): %s", async (version, place, hint) => {
    const sysroot = join(tempDir(), place);
    // The folder alone is no standard library.
    await mkdir(join(sysroot, "lib", "rustlib", "wasm32-wasip1", "lib"), { recursive: true });
    const env = await fakeRust(version, sysroot);
    const { error } = await buildFailure({ language: "rust", source: await project(), env });
    expect(error).toMatchObject({ code: "TOOL_UNFIT", hint: `${hint} (wasme doctor rust shows what there is)` });
    const report = await rust.report(toolchainDeps({ env }));
    expect(report.find(({ tool }) => tool === "cargo")).toMatchObject({ state: "ok", version });
    expect(report.find(({ tool }) => tool === "wasm32-wasip1")).toMatchObject({ state: "missing", install: hint });
  });

  it("is another one than the project's rust-toolchain.toml asks for", async () => {
    const env = await fakeRust("1.95.0", "/r");
    await fakeProgram(
      env.PATH.split(":")[0] ?? "",
      "rustc",
      `echo "error: toolchain '1.2.3-x86_64' is not installed" >&2; exit 1`,
    );
    const { error } = await buildFailure({ language: "rust", source: await project(), env });
    expect(error).toMatchObject({
      code: "TOOL_UNFIT",
      hint: expect.stringMatching(/^rustup toolchain install 1\.2\.3-x86_64 --target wasm32-wasip1 /u),
    });
  });

  it("falls back to the other targets, as it has them", async () => {
    const sysroot = tempDir();
    await writeTree(join(sysroot, "lib/rustlib"), {
      "wasm32-unknown-unknown/lib/libcore-1.rlib": "",
      "wasm32-wasi/lib/libcore-1.rlib": "",
    });
    const env = await fakeRust("1.63.0", sysroot);
    const bin = env.PATH.split(":")[0] ?? "";
    await fakeProgram(bin, "cargo", `echo "$@" > "${bin}/args"; exit 1`);
    const { error } = await buildFailure({ language: "rust", source: await project(), env });
    expect(error.code).toBe("CARGO_FAILED");
    expect(await readFile(join(bin, "args"), "utf8")).toContain("--filter-platform wasm32-wasi");
  });
});

describe("a Rust project of the old tool", () => {
  it("is known by its Bazel file, and told what can build it", async () => {
    const source = await writeTree(tempDir(), {
      WORKSPACE: "",
      BUILD: 'load("@rules_rust//rust:rust.bzl", "rust_binary")\nrust_binary(name = "filter", srcs = ["filter.rs"])',
    });
    const { error } = await buildFailure({ language: "rust", source, env: {} });
    expect(error).toMatchObject({ code: "TOOL_UNFIT", message: expect.stringContaining("Bazel") });
    expect(error.hint).toContain("--builder container");
  });
});
