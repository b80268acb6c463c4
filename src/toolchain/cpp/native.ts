import { realpath, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { envValue } from "../../platform/env.ts";
import { findTool } from "../find-tool.ts";
import { probe } from "../probe.ts";
import type { ToolchainDeps } from "../runner.ts";
import { CLANG_LINK, COMMON, COMMON_CPP, type CompilerFlags } from "./flags.ts";

/** A compiler on this machine that can make filters. */
export interface NativeCompiler {
  readonly kind: "em++" | "clang++";
  /** The C++ compiler, absolute. */
  readonly command: string;
  /** Its brother for C. */
  readonly cCommand: string;
  /** `clang 22.1.8`, `emscripten 3.1.6`. */
  readonly label: string;
  /** `wasm32-wasip1`, `wasm32-wasi`, `emscripten`. */
  readonly target: string;
  readonly flags: CompilerFlags;
}

/** A compiler that was found and tried. */
export interface Candidate {
  /** As it is typed: `em++`, `clang++-19`. */
  readonly name: string;
  readonly path: string;
  readonly compiler: NativeCompiler | undefined;
  /** Why it cannot make filters; empty when it can. */
  readonly problem: string;
}

/**
 * The compilers in `PATH`, in the order they are preferred: `em++`, the clang of an installed WASI SDK, `clang++`, then
 * its versioned names from the newest on. Each is tried with a few lines that need the C++ library and the linker, and
 * nothing after the first that works unless `all` is set.
 */
export async function findNative(deps: ToolchainDeps, all = false): Promise<readonly Candidate[]> {
  const found: Candidate[] = [];
  for (const name of await names(deps)) {
    const path = await findTool(deps.env, name);
    if (path === undefined) continue;
    const candidate = await tryCompiler(deps, name, path);
    found.push(candidate);
    if (candidate.compiler !== undefined && !all) break;
  }
  return found;
}

async function names(deps: ToolchainDeps): Promise<readonly string[]> {
  const sdk = envValue(deps.env, "WASI_SDK_PATH") ?? "/opt/wasi-sdk";
  const versions = Array.from({ length: NEWEST - OLDEST + 1 }, (_, index) => `clang++-${NEWEST - index}`);
  return await Promise.resolve(["em++", join(sdk, "bin", "clang++"), "clang++", ...versions]);
}

/** Debian's names; 14 is what it had when its sysroot came. */
const NEWEST = 22;
const OLDEST = 14;

async function tryCompiler(deps: ToolchainDeps, name: string, path: string): Promise<Candidate> {
  const variants = name === "em++" ? EMSCRIPTEN : await clangVariants(deps, path);
  let problem = name === "em++" ? "" : "no WASI sysroot (wasi-libc and libc++ for wasm32) was found for it";
  for (const { target, compile, link } of variants) {
    const args = [...compile, ...COMMON, ...COMMON_CPP, ...link, "probe.cc", "-o", "probe.wasm"];
    const verdict = await probe(deps, {
      tool: path,
      key: `cpp ${target} ${compile.join(" ")} ${link.length}`,
      files: { "probe.cc": PROBE },
      args,
      output: "probe.wasm",
      versionArgs: ["--version"],
    });
    if (verdict.ok)
      return { name, path, problem: "", compiler: compiler(path, { target, compile, link }, verdict.version) };
    problem = firstError(verdict.said);
  }
  return { name, path, compiler: undefined, problem };
}

/** One way to call a compiler. */
export interface Variant extends CompilerFlags {
  readonly target: string;
}

function compiler(path: string, { target, ...flags }: Variant, said: string): NativeCompiler {
  const version = /(\d+\.\d+(?:\.\d+)?)/u.exec(said)?.[1] ?? "";
  const emscripten = target === "emscripten";
  return {
    kind: emscripten ? "em++" : "clang++",
    command: path,
    cCommand: join(
      dirname(path),
      emscripten ? "emcc" : path.slice(dirname(path).length + 1).replace("clang++", "clang"),
    ),
    label: `${emscripten ? "emscripten" : "clang"} ${version}`.trim(),
    target,
    flags,
  };
}

/** Today's names of the options, then those that 3.1.6 (Debian 12) knows. */
export const EMSCRIPTEN: readonly Variant[] = [
  ["-sSTACK_SIZE=64KB", "-sINITIAL_HEAP=64KB"],
  ["-sTOTAL_STACK=64KB", "-sINITIAL_MEMORY=1MB"],
].map((sizes) => ({
  target: "emscripten",
  compile: [],
  link: [
    "--no-entry",
    "-sSTANDALONE_WASM",
    "-sALLOW_MEMORY_GROWTH=1",
    // Host functions are imports by their attributes; emscripten would refuse what it does not know, and warns of each.
    "-sERROR_ON_UNDEFINED_SYMBOLS=0",
    "-sWARN_ON_UNDEFINED_SYMBOLS=0",
    ...sizes,
  ],
}));

/**
 * The ways to call clang where a sysroot is: without one nothing is tried, because a compiler that cannot would be asked
 * again by every build.
 */
async function clangVariants(deps: ToolchainDeps, path: string): Promise<readonly Variant[]> {
  const beside = join(dirname(dirname(await realpath(path).catch(() => path))), "share", "wasi-sysroot");
  const named = envValue(deps.env, "WASI_SYSROOT");
  const roots = [...(named === undefined ? [] : [named]), beside, ...SYSROOTS];
  const usable = await Promise.all(roots.map(async (root) => await layoutOf(root)));
  return roots.flatMap((root, index) =>
    (usable[index] ?? []).map((target) => ({
      target,
      compile: [`--target=${target}`, ...(root === "/usr" ? [] : [`--sysroot=${root}`]), "-Wno-deprecated"],
      link: CLANG_LINK,
    })),
  );
}

/** Where distributions put one: Debian, Arch and Homebrew, Fedora. */
const SYSROOTS: readonly string[] = [
  "/usr",
  "/usr/share/wasi-sysroot",
  "/opt/homebrew/share/wasi-sysroot",
  "/usr/local/share/wasi-sysroot",
  "/usr/wasm32-wasi",
];

/** The targets a sysroot has a C library for. */
async function layoutOf(root: string): Promise<readonly string[]> {
  const has = async (target: string): Promise<boolean> =>
    (await stat(join(root, "lib", target)).catch(() => undefined))?.isDirectory() === true;
  const there = await Promise.all(TARGETS.map(has));
  return TARGETS.filter((_, index) => there[index] === true);
}

const TARGETS: readonly string[] = ["wasm32-wasip1", "wasm32-wasi"];

/** Needs the headers and the library of C++, an allocator, the linker and a start file. */
const PROBE = `#include <string>
extern "C" __attribute__((export_name("probe"))) void probe(int n, std::string **out) {
  *out = new std::string(n, 'x'); }
`;

function firstError(said: string): string {
  const lines = said.split("\n").map((line) => line.trim());
  return lines.find((line) => /\berror\b/u.test(line)) ?? lines[0] ?? "it made no module";
}
