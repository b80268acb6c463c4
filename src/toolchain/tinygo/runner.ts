import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { usageError } from "../../domain/errors.ts";
import type { EventSink } from "../../domain/events.ts";
import { findTool } from "../find-tool.ts";
import { goError } from "../go/go-error.ts";
import { type GoMod, type GoSdk, readGoMod, sdkOf } from "../go/go-mod.ts";
import { goBuildEnv, sdkFact } from "../go/runner.ts";
import { installHint } from "../install-hint.ts";
import {
  type BuiltModule,
  MODULE_FILE,
  type ToolchainDeps,
  type ToolchainRequest,
  type ToolchainRunner,
  type ToolReport,
} from "../runner.ts";
import { runTool } from "../run-tool.ts";
import { toolMissing } from "../tool-missing.ts";
import { badPair, levelOf } from "./known-pairs.ts";

/** Go by an installed TinyGo, for projects with the SDK that only TinyGo can build. */
export const tinygo: ToolchainRunner = {
  language: "tinygo",
  marks: "go.mod that requires tetratelabs/proxy-wasm-go-sdk",
  detect: recognise,
  build,
  report,
};

async function recognise(source: string): Promise<string | undefined> {
  const mod = await readGoMod(source);
  const sdk = mod === undefined ? undefined : sdkOf(mod);
  return sdk?.language === "tinygo" ? `${sdk.module} in go.mod` : undefined;
}

async function build(deps: ToolchainDeps, request: ToolchainRequest, events: EventSink): Promise<BuiltModule> {
  const { install } = request;
  const folder = await realpath(request.source);
  const mod = await readGoMod(folder);
  const sdk = checkProject(mod, folder);
  const compiler = await findTinyGo(deps, folder);
  const label = `tinygo ${compiler.version}`;
  const bad = sdk === undefined ? undefined : badPair(sdk, compiler.version);
  if (sdk !== undefined && bad !== undefined) {
    const message = `TinyGo ${compiler.version} cannot build ${sdk.module} ${sdk.version}: ${bad.why}`;
    throw toolMissing("TOOL_UNFIT", message, { hint: bad.hint });
  }
  const modulePath = join(request.outDir, MODULE_FILE);
  const target = targetOf(compiler.version);
  const id = "compile";
  events({ type: "task.start", id, message: `Compiling with ${label} for ${target}` });
  let ok = false;
  try {
    const args = tinygoArguments({ output: modulePath, version: compiler.version, mod });
    const env = goBuildEnv(deps.env, install);
    const result = await runTool(deps, { command: compiler.path, args, cwd: folder, env }, events);
    ok = result.ok;
    if (!ok) throw tinygoError(`${result.stdout}${result.stderr}`, { folder, label, install, ...result });
  } finally {
    events({ type: "task.end", id, ok });
  }
  const facts = { language: "tinygo", compiler: label, ...sdkFact(sdk), target, builder: "native" } as const;
  return { modulePath, toolchain: label, facts };
}

interface TinyGo {
  /** Absolute. */
  readonly path: string;
  /** `0.28.1`. */
  readonly version: string;
}

async function findTinyGo(deps: ToolchainDeps, folder: string): Promise<TinyGo> {
  const path = await findTool(deps.env, "tinygo");
  if (path === undefined) {
    throw toolMissing("TOOL_MISSING", "tinygo was not found in PATH: this project's SDK needs it", {
      hint: `${await installHint("tinygo")}; or move to Go's own compiler: wasme init --language go`,
    });
  }
  const { stdout, stderr } = await deps.exec(path, ["version"], { cwd: folder, env: deps.env, signal: deps.signal });
  const version = /\bversion (\d+\.\d+\S*)/u.exec(stdout)?.[1];
  if (version !== undefined) return { path, version };
  const said = (stderr.trim() || stdout.trim()).split("\n", 1)[0] ?? "";
  throw toolMissing("TOOL_UNFIT", `${path} does not tell its version${said === "" ? "" : `: ${said}`}`, {
    hint: "see whether tinygo version works; TinyGo needs a Go it knows in PATH",
  });
}

/** How a TinyGo of some version is called for a project. */
export function tinygoArguments(call: {
  readonly output: string;
  readonly version: string;
  readonly mod: GoMod | undefined;
}): readonly string[] {
  const { output, version, mod } = call;
  const options = [`-target=${targetOf(version)}`, ...buildMode(version), "-scheduler=none", "-no-debug"];
  return ["build", "-o", output, ...options, ...extra(mod), "."];
}

/** TinyGo knew WASI as `wasi` first, and means to forget that name. */
export function targetOf(version: string): "wasi" | "wasip1" {
  return (levelOf(version) ?? 0) >= 35 ? "wasip1" : "wasi";
}

/**
 * Since 0.35 a module ends when its `main` does, by a call that proxies refuse while a module starts. The mode that
 * 0.36 brought does as before, for filters that register in `main` and in `init`; in 0.35 only those that do it in
 * `init` work.
 */
function buildMode(version: string): readonly string[] {
  const level = levelOf(version) ?? 0;
  if (level < 35) return [];
  return [level < 36 ? "-buildmode=c-shared" : "-buildmode=wasi-legacy"];
}

/** The garbage collector that the SDK recommended for a time has to be asked for. */
function extra(mod: GoMod | undefined): readonly string[] {
  return mod?.requires.has("github.com/wasilibs/nottinygc") === true ? ["-gc=custom", "-tags=custommalloc"] : [];
}

function checkProject(mod: GoMod | undefined, folder: string): GoSdk | undefined {
  const sdk = mod === undefined ? undefined : sdkOf(mod);
  if (sdk?.language !== "go") return sdk;
  throw usageError("SDK_UNFIT", `the project in ${folder} uses ${sdk.module}, which Go's own compiler builds`, {
    hint: `wasme build go ${folder} -t REF`,
  });
}

interface TinyGoFailure {
  readonly folder: string;
  readonly label: string;
  readonly install: boolean;
  readonly exitCode: number | undefined;
}

function tinygoError(said: string, { folder, label, install, exitCode }: TinyGoFailure): Error {
  const versions = /requires go version ([^\n]+?), got (go\S+)/u.exec(said);
  if (versions !== null) {
    const [, needed = "", got = ""] = versions;
    return toolMissing("TOOL_UNFIT", `${label} needs Go ${needed}, and ${got} is in PATH`, {
      hint: "install a newer TinyGo, or put a Go that it knows before the other one in PATH",
    });
  }
  if (/symbol multiply defined|duplicate symbol: malloc/u.test(said)) {
    return toolMissing("TOOL_UNFIT", `${label} and the project's SDK both define malloc`, {
      hint: "take a newer SDK (go get github.com/tetratelabs/proxy-wasm-go-sdk@v0.22.0), or --builder container",
    });
  }
  return goError({ folder, stderr: said, exitCode, compiler: label, command: "tinygo build", install });
}

async function report(deps: ToolchainDeps): Promise<readonly ToolReport[]> {
  const purpose = "builds filters of the SDK for TinyGo";
  const where = await findTool(deps.env, "tinygo");
  if (where === undefined)
    return [{ tool: "tinygo", state: "optional", purpose, install: await installHint("tinygo") }];
  try {
    const { version } = await findTinyGo(deps, deps.paths.tmp);
    return [{ tool: "tinygo", state: "ok", where, version, purpose }];
  } catch (error) {
    return [{ tool: "tinygo", state: "unfit", where, purpose, problem: error instanceof Error ? error.message : "" }];
  }
}
