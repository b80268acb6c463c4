import { copyFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { usageError, WasmeError } from "../../domain/errors.ts";
import type { EventSink } from "../../domain/events.ts";
import { isObject, tryParseJson } from "../../domain/json.ts";
import { writeError } from "../../platform/atomic-file.ts";
import type { Env } from "../../platform/env.ts";
import { optimizeModule } from "../optimize.ts";
import {
  type BuiltModule,
  MODULE_FILE,
  type ToolchainDeps,
  type ToolchainRequest,
  type ToolchainRunner,
} from "../runner.ts";
import { runTool, type ToolResult } from "../run-tool.ts";
import { toolMissing } from "../tool-missing.ts";
import { cargoError } from "./cargo-error.ts";
import { type CargoConfig, readCargoConfig } from "./config.ts";
import { CARGO_BUILD, passFlags, remapFlags } from "./flags.ts";
import { type CargoMetadata, type CargoPackage, parseMetadata } from "./metadata.ts";
import { bazelMark, filterPackage, hasLockFile, recogniseRustProject, SDK } from "./project.ts";
import { reportRust } from "./report.ts";
import { findCargo, findRust, RUST_TARGETS, type RustTarget, type RustToolchain, targetCommand } from "./toolchain.ts";

/**
 * Rust by the cargo on the machine, which is always called: it knows by itself what has changed. The module is made
 * for `wasm32-wasip1`, else for the other targets that proxies take; paths of this machine do not get into it.
 */
export const rust: ToolchainRunner = {
  language: "rust",
  marks: "Cargo.toml",
  detect: recogniseRustProject,
  build,
  report: reportRust,
};

async function build(deps: ToolchainDeps, request: ToolchainRequest, events: EventSink): Promise<BuiltModule> {
  const folder = await realpath(request.source);
  await refuseBazel(folder);
  const env = buildEnv(deps.env, request.install);
  const project = await readProject({ ...deps, env }, { folder, install: request.install }, events);
  const { rust: toolchain, metadata, target } = project;
  const crate = filterPackage(metadata, folder);
  const label = `rustc ${toolchain.version}`;
  const id = "compile";
  events({ type: "task.start", id, message: `Compiling with ${label} for ${target}` });
  let ok = false;
  const modulePath = join(request.outDir, MODULE_FILE);
  try {
    const made = await compile({ ...deps, env }, { ...project, crate }, events);
    await copyModule(made, modulePath);
    ok = true;
  } finally {
    events({ type: "task.end", id, ok });
  }
  const optimizer = await optimizeModule(deps, { modulePath, request }, events);
  const sdk = metadata.packages.find((item) => item.name === SDK);
  const facts = {
    language: "rust",
    compiler: label,
    ...(sdk !== undefined && { sdk: `${SDK} ${sdk.version}` }),
    target,
    ...(optimizer !== undefined && { optimizer }),
    builder: "native",
  } as const;
  return { modulePath, toolchain: label, facts };
}

interface Project {
  readonly folder: string;
  readonly install: boolean;
  /** Arguments every call of cargo gets. */
  readonly common: readonly string[];
  readonly rust: RustToolchain;
  readonly config: CargoConfig;
  readonly target: RustTarget;
  readonly metadata: CargoMetadata;
}

async function readProject(
  deps: ToolchainDeps,
  { folder, install }: { readonly folder: string; readonly install: boolean },
  events: EventSink,
): Promise<Project> {
  const locked = await hasLockFile(folder);
  const common = [...(locked ? ["--locked"] : []), ...(install ? [] : ["--offline"])];
  const config = await readCargoConfig(folder, deps.env);
  const describe = async (cargo: string, target: RustTarget): Promise<ToolResult> => {
    const args = ["metadata", "--format-version", "1", "--filter-platform", target, ...common];
    return await runTool(deps, { command: cargo, args, cwd: folder, hide: isJson }, events);
  };
  // All that takes time is asked at once; the target may turn out to be another one.
  const guess = RUST_TARGETS.find((target) => target === config.target) ?? RUST_TARGETS[0];
  const cargo = await findCargo(deps, folder);
  const [found, described] = await Promise.allSettled([findRust(deps, cargo, folder), describe(cargo.cargo, guess)]);
  if (found.status === "rejected") throw found.reason;
  if (described.status === "rejected") throw described.reason;
  const toolchain = found.value;
  const target = await chooseTarget(toolchain, config, events);
  const wrongGuess = !described.value.ok && target !== guess;
  const result = wrongGuess ? await describe(toolchain.cargo, target) : described.value;
  const metadata = result.ok ? parseMetadata(result.stdout, folder) : undefined;
  if (metadata === undefined) throw await failed(result, { folder, install, rust: toolchain });
  if (!locked) events({ type: "warning", ...NO_LOCK });
  return { folder, install, common, rust: toolchain, config, target, metadata };
}

/** The target the project is set up for, if it is one of ours and is there; else the best one that is. */
async function chooseTarget(toolchain: RustToolchain, config: CargoConfig, events: EventSink): Promise<RustTarget> {
  const wanted = RUST_TARGETS.find((target) => target === config.target);
  if (wanted !== undefined && toolchain.targets.includes(wanted)) return wanted;
  const [best] = toolchain.targets;
  if (best === undefined) {
    throw toolMissing("TOOL_UNFIT", `Rust ${toolchain.version} is here without the target wasm32-wasip1`, {
      hint: await targetCommand(toolchain),
    });
  }
  if (config.target?.startsWith("wasm32-wasip2") === true) {
    const message = `the project's build.target is ${config.target}, which makes components; building for ${best}`;
    events({ type: "warning", message, hint: "proxies load plain modules" });
  }
  return best;
}

interface Compilation extends Project {
  readonly crate: CargoPackage;
}

/** Runs `cargo build` and gives the module it made, absolute. */
async function compile(deps: ToolchainDeps, work: Compilation, events: EventSink): Promise<string> {
  const { folder, common, rust: toolchain, config, target, metadata, crate } = work;
  const flags = passFlags(remapFlags(toolchain, metadata, deps.env), { target, config, env: deps.env });
  const args = [...CARGO_BUILD, "--manifest-path", crate.manifest, "--target", target, ...common];
  args.push("--message-format", "json-render-diagnostics", ...flags.args);
  const call = { command: toolchain.cargo, args, cwd: folder, env: flags.env, hide: isNoise };
  const result = await runTool(deps, call, events);
  if (!result.ok) throw await failed(result, work);
  const made = moduleOf(result.stdout, crate);
  if (made !== undefined) return made;
  throw new WasmeError("build-failed", "MODULE_NOT_MADE", `cargo built ${crate.name} and made no module of it`, {
    hint: 'its library must be of the type cdylib; add to Cargo.toml: [lib] crate-type = ["cdylib"]',
  });
}

async function failed(
  result: ToolResult,
  work: Pick<Project, "folder" | "install"> & { readonly rust: RustToolchain },
): Promise<WasmeError> {
  const { folder, install, rust: toolchain } = work;
  return await cargoError({ folder, install, rust: toolchain, stderr: result.stderr, exitCode: result.exitCode });
}

/** The file that the `compiler-artifact` message of the crate names, whatever its library is called. */
function moduleOf(stdout: string, crate: CargoPackage): string | undefined {
  const artefacts = stdout
    .split("\n")
    .map((line) => tryParseJson(line))
    .filter(isObject);
  const own = artefacts.filter(
    (item) => item["reason"] === "compiler-artifact" && item["manifest_path"] === crate.manifest,
  );
  const files = own.flatMap((item) => (Array.isArray(item["filenames"]) ? item["filenames"] : []));
  return files.filter((file) => typeof file === "string").find((file) => file.endsWith(".wasm"));
}

function buildEnv(env: Env, install: boolean): Env {
  // rustup would fetch the toolchain that the project names.
  return install ? env : { ...env, RUSTUP_AUTO_INSTALL: "0" };
}

async function refuseBazel(folder: string): Promise<void> {
  if ((await recogniseRustProject(folder)) === "Cargo.toml") return;
  const mark = await bazelMark(folder);
  if (mark === undefined) {
    throw usageError("CARGO_TOML_MISSING", `there is no Cargo.toml in ${folder}`, {
      hint: "name the project's folder, or start one: wasme init --language rust",
    });
  }
  throw toolMissing(
    "TOOL_UNFIT",
    `the project in ${folder} is built by Bazel (${mark}); only a container can build it`,
    {
      hint: "add --builder container, or move the source into a project of wasme init --language rust",
    },
  );
}

async function copyModule(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to);
  } catch (error) {
    throw writeError(error, to);
  }
}

function isJson(line: string): boolean {
  return line.startsWith("{");
}

function isNoise(line: string): boolean {
  return isJson(line) || /^\s+Finished /u.test(line);
}

const NO_LOCK = {
  message: "the project had no Cargo.lock: its crates could have been other ones tomorrow",
  hint: "keep the Cargo.lock that cargo has written now, so that every build uses the same crates",
} as const;
