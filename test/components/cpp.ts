import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { runProcess } from "../../src/platform/process-runner.ts";
import { cpp } from "../../src/toolchain/cpp/runner.ts";
import type { Builder, BuiltModule, ToolchainDeps } from "../../src/toolchain/runner.ts";
import { aptInstall } from "./apt.ts";
import { clangModules } from "./clang.ts";
import { MissingComponent } from "./missing.ts";
import { findProgram } from "./run.ts";

/** Folders of the C++ templates that make the starter, and those with the SDK and a fixture that calls each part of it. */
export const CPP_PROJECTS: Readonly<Record<"starter" | "sdk", readonly string[]>> = {
  starter: ["templates/_shared/add-header", "templates/cpp/_common", "templates/cpp/add-header"],
  sdk: ["templates/cpp/_common", "test/fixtures/projects/cpp-sdk"],
};

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Lays folders of the repository over each other, with npm's clang in place. Throws `MissingComponent`. */
export async function cppProject(folders: readonly string[], target: string): Promise<void> {
  for (const folder of folders) await cp(resolve(ROOT, folder), target, { recursive: true });
  await symlink(await clangModules(), join(target, "node_modules"));
}

/** Builds a C++ project by the runner of this program; the real outside world unless `deps` say otherwise. */
export async function buildCpp(
  source: string,
  outDir: string,
  { builder = "npm", ...deps }: Partial<ToolchainDeps> & { readonly builder?: Builder } = {},
): Promise<BuiltModule> {
  await mkdir(outDir, { recursive: true });
  const paths = { home: join(outDir, "home"), tmp: tmpdir() };
  const all = { exec: runProcess, env: process.env, signal: new AbortController().signal, paths, ...deps };
  return await cpp.build(all, { source, outDir, builder, install: false, optimize: false }, () => undefined);
}

/** The module of a project of {@link CPP_PROJECTS}, built by npm's clang and left as it made it. */
export async function cppModule(name: keyof typeof CPP_PROJECTS, output: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "wasme-cpp-"));
  try {
    const project = join(folder, "project");
    await cppProject(CPP_PROJECTS[name], project);
    const { modulePath } = await buildCpp(project, join(folder, "out"));
    await cp(modulePath, output);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * A `clang++` that finds the C++ library for WebAssembly: one of Debian's versions, installed with all it needs unless
 * it is there. Throws `MissingComponent`.
 */
export function nativeClang(): Promise<string> {
  clang ??= installClang();
  return clang;
}

let clang: Promise<string> | undefined;

async function installClang(): Promise<string> {
  let reason: unknown;
  for (const version of VERSIONS) {
    const packages = ["clang-", "lld-", "libc++-", "libc++abi-", "libclang-rt-"].map(
      (name) => `${name}${version}${name.startsWith("lib") ? "-dev-wasm32" : ""}`,
    );
    try {
      await aptInstall([...packages, "wasi-libc"]);
      const path = await findProgram(`clang++-${version}`);
      if (path !== undefined) return path;
    } catch (error) {
      reason = error;
    }
  }
  throw new MissingComponent("clang++ for WebAssembly", `Debian has none of ${VERSIONS.join(", ")}`, reason);
}

const VERSIONS: readonly number[] = [22, 19, 16, 14];

/** A `PATH` with nothing in it but Node and links to these programs (absolute), in a folder of its own. */
export async function pathOf(folder: string, programs: readonly string[] = []): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const program of [process.execPath, ...programs]) {
    await symlink(program, join(folder, program.slice(dirname(program).length + 1))).catch(() => undefined);
  }
  return folder;
}
