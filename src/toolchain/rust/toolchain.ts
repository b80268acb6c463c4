import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Env, envValue } from "../../platform/env.ts";
import { findTool, installedBesidePath, pathCommand } from "../find-tool.ts";
import { installHint } from "../install-hint.ts";
import type { ToolchainDeps } from "../runner.ts";
import { toolMissing } from "../tool-missing.ts";

/** The Rust that builds in one folder: rustup may choose another one for each. */
export interface RustToolchain {
  /** Absolute. */
  readonly cargo: string;
  /** Of `rustc`: `1.95.0`. */
  readonly version: string;
  /** The compiler's own revision, 40 hex digits; some distributions leave it out. */
  readonly commit: string | undefined;
  /** Where compiler and standard libraries are, absolute. */
  readonly sysroot: string;
  /** The name by which rustup knows it: `stable-x86_64-unknown-linux-gnu`; `undefined` for a Rust without rustup. */
  readonly rustup: string | undefined;
  /** The targets that have a standard library, best first. */
  readonly targets: readonly RustTarget[];
}

/** Targets a filter can be built for, best first. `wasm32-wasi` is the name of the first one before Rust 1.78. */
export const RUST_TARGETS = ["wasm32-wasip1", "wasm32-wasi", "wasm32-unknown-unknown"] as const;

export type RustTarget = (typeof RUST_TARGETS)[number];

/** The programs of Rust, absolute. */
export interface RustPrograms {
  readonly cargo: string;
  readonly rustc: string;
}

/**
 * Finds cargo and the compiler it would use in `folder`. Throws `TOOL_MISSING`. Where the project names its toolchain,
 * the compiler is called once, so that rustup fetches it now, and not several times at once later.
 */
export async function findCargo(deps: ToolchainDeps, folder: string): Promise<RustPrograms> {
  const cargo = await findTool(deps.env, "cargo");
  if (cargo === undefined) throw await noCargo(deps.env, "cargo");
  const rustc = await findTool(deps.env, envValue(deps.env, "RUSTC") ?? "rustc", folder);
  if (rustc === undefined) throw await noCargo(deps.env, "rustc");
  if (await namesToolchain(folder)) {
    const result = await deps.exec(rustc, ["-vV"], { cwd: folder, env: deps.env, signal: deps.signal });
    if (result.exitCode !== 0) throw unfit(rustc, folder, result.stderr);
  }
  return { cargo, rustc };
}

/** Asks the Rust that cargo would use in `folder`. Throws `TOOL_UNFIT` where it does not answer. */
export async function findRust(
  deps: ToolchainDeps,
  { cargo, rustc }: RustPrograms,
  folder: string,
): Promise<RustToolchain> {
  const options = { cwd: folder, env: deps.env, signal: deps.signal };
  const [about, place] = await Promise.all([
    deps.exec(rustc, ["-vV"], options),
    deps.exec(rustc, ["--print", "sysroot"], options),
  ]);
  const version = /^release: (\S+)$/mu.exec(about.stdout)?.[1];
  const sysroot = place.stdout.trim();
  if (about.exitCode !== 0 || version === undefined || sysroot === "") {
    throw unfit(rustc, folder, about.stderr || place.stderr);
  }
  return {
    cargo,
    version,
    commit: /^commit-hash: ([0-9a-f]{40})$/mu.exec(about.stdout)?.[1],
    sysroot,
    rustup: basename(dirname(sysroot)) === "toolchains" ? basename(sysroot) : undefined,
    targets: await installedTargets(sysroot),
  };
}

/** The command that brings a target to this Rust. */
export async function targetCommand(rust: RustToolchain): Promise<string> {
  const [major = 0, minor = 0] = rust.version.split(".").map(Number);
  const target: RustTarget = major > 1 || minor >= 78 ? "wasm32-wasip1" : "wasm32-wasi";
  if (rust.rustup === undefined) return await installHint("rustTarget");
  const toolchain = rust.rustup.startsWith("stable-") ? "" : ` --toolchain ${rust.rustup}`;
  return `rustup target add ${target}${toolchain}`;
}

/** Targets whose standard library is really there: `--print target-libdir` names folders that do not exist. */
async function installedTargets(sysroot: string): Promise<readonly RustTarget[]> {
  const there = await Promise.all(
    RUST_TARGETS.map(async (target) => {
      const files = await readdir(join(sysroot, "lib", "rustlib", target, "lib")).catch(() => []);
      return files.some((file) => file.startsWith("libcore-"));
    }),
  );
  return RUST_TARGETS.filter((_, index) => there[index] === true);
}

/** Whether rustup would choose another toolchain than its default in a folder. */
async function namesToolchain(folder: string): Promise<boolean> {
  for (let at = folder; ; at = dirname(at)) {
    for (const name of ["rust-toolchain.toml", "rust-toolchain"]) {
      if ((await stat(join(at, name)).catch(() => undefined)) !== undefined) return true;
    }
    if (at === dirname(at)) return false;
  }
}

async function noCargo(env: Env, tool: "cargo" | "rustc"): Promise<Error> {
  const folder = await installedBesidePath(env, tool);
  if (folder !== undefined) {
    return toolMissing("TOOL_MISSING", `${tool} is installed in ${folder}, which is not in PATH`, {
      hint: pathCommand(folder),
    });
  }
  return toolMissing("TOOL_MISSING", `${tool} was not found in PATH: Rust filters are built with it`, {
    hint: await installHint("rust"),
  });
}

function unfit(rustc: string, folder: string, said: string): Error {
  const missing = /toolchain '([^']+)' is not installed/u.exec(said)?.[1];
  if (missing !== undefined) {
    return toolMissing("TOOL_UNFIT", `the project in ${folder} asks for Rust ${missing}, which is not installed`, {
      hint: `rustup toolchain install ${missing} --target wasm32-wasip1`,
    });
  }
  const line = said.split("\n").find((text) => text.trim() !== "");
  return toolMissing(
    "TOOL_UNFIT",
    `${rustc} does not tell its version${line === undefined ? "" : `: ${line.trim()}`}`,
    {
      hint: "see whether rustc -vV works in the project's folder; rustup show tells which Rust is chosen there",
    },
  );
}
