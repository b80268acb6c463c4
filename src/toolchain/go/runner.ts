import { copyFile, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { digestOf } from "../../domain/digest.ts";
import { usageError } from "../../domain/errors.ts";
import type { EventSink } from "../../domain/events.ts";
import { makeDirectory, writeError } from "../../platform/atomic-file.ts";
import { type Env, envValue } from "../../platform/env.ts";
import { withFileLock } from "../../platform/file-lock.ts";
import { buildsFolder } from "../build-cache.ts";
import {
  type BuiltModule,
  MODULE_FILE,
  type ToolchainDeps,
  type ToolchainRequest,
  type ToolchainRunner,
} from "../runner.ts";
import { runTool } from "../run-tool.ts";
import { withScratch } from "../scratch.ts";
import { goError } from "./go-error.ts";
import { type GoSdk, readGoMod, sdkOf } from "./go-mod.ts";
import { reportGo } from "./report.ts";
import { findGo, type GoToolchain } from "./toolchain.ts";

/**
 * Go by the compiler on the machine (1.24 or newer), which is always called: it knows by itself what has changed. The
 * module is a library for WASI without paths of this machine.
 */
export const go: ToolchainRunner = {
  language: "go",
  marks: "go.mod that requires proxy-wasm-go-sdk",
  detect: recognise,
  build,
  report: reportGo,
};

async function recognise(source: string): Promise<string | undefined> {
  const mod = await readGoMod(source);
  const sdk = mod === undefined ? undefined : sdkOf(mod);
  return sdk?.language === "go" ? `${sdk.module} in go.mod` : undefined;
}

async function build(deps: ToolchainDeps, request: ToolchainRequest, events: EventSink): Promise<BuiltModule> {
  const { install } = request;
  const folder = await realpath(request.source);
  const env = goBuildEnv(deps.env, install);
  const toolchain = await findGo({ ...deps, env }, { folder, install });
  const sdk = await checkProject(toolchain, folder);
  const label = `go ${toolchain.version}`;
  const modulePath = join(request.outDir, MODULE_FILE);
  const id = "compile";
  events({ type: "task.start", id, message: `Compiling with ${label} for wasip1` });
  let ok = false;
  try {
    await withOutput(deps, { folder, modulePath }, async (output) => {
      const args = [...GO_BUILD, "-o", output, "."];
      const tmp = envValue(env, "GOTMPDIR") ?? "";
      const {
        stderr,
        exitCode,
        ok: built,
      } = await withScratch(tmp === "" ? deps.paths.tmp : tmp, async (GOTMPDIR) => {
        const call = { command: toolchain.go, args, cwd: folder, env: { ...env, ...GO_TARGET, GOTMPDIR } };
        return await runTool(deps, call, events);
      });
      if (!built) throw goError({ folder, stderr, exitCode, compiler: label, command: "go build", install });
    });
    ok = true;
  } finally {
    events({ type: "task.end", id, ok });
  }
  const facts = { language: "go", compiler: label, ...sdkFact(sdk), target: "wasip1", builder: "native" } as const;
  return { modulePath, toolchain: label, facts };
}

/**
 * Gives go the same output file for each build of a folder, among the results of builds: go links only when that file
 * is not up to date, which is most of its work. Where that place cannot be used, the module is written directly.
 */
async function withOutput(
  deps: ToolchainDeps,
  { folder, modulePath }: { readonly folder: string; readonly modulePath: string },
  work: (output: string) => Promise<void>,
): Promise<void> {
  const kept = join(buildsFolder(deps.paths.home), `go-${digestOf(folder).slice(-32)}`);
  const usable = await makeDirectory(dirname(kept)).then(
    () => true,
    () => false,
  );
  if (!usable) return await work(modulePath);
  await withFileLock(
    `${kept}.lock`,
    async () => {
      await work(kept);
      await copyFile(kept, modulePath).catch((error: unknown) => {
        throw writeError(error, modulePath);
      });
    },
    { signal: deps.signal, waitMs: 600_000 },
  );
}

/** What makes a library for WASI without paths of the machine, before `-o FILE .`. */
export const GO_BUILD: readonly string[] = ["build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared"];

/** The variables that name the target. */
export const GO_TARGET: Readonly<Record<string, string>> = { GOOS: "wasip1", GOARCH: "wasm" };

/** The variables with which go fetches nothing. */
export const GO_OFFLINE: Readonly<Record<string, string>> = { GOPROXY: "off", GOSUMDB: "off" };

/** The environment in which go fetches nothing under `--no-install`. */
export function goBuildEnv(env: Env, install: boolean): Env {
  return install ? env : { ...env, ...GO_OFFLINE };
}

/** The SDK as a build fact. */
export function sdkFact(sdk: GoSdk | undefined): { readonly sdk?: string } {
  return sdk === undefined ? {} : { sdk: `${sdk.module.split("/").at(-1) ?? ""} ${sdk.version}` };
}

/** There has to be a module, and one for this compiler. */
async function checkProject({ goMod }: GoToolchain, folder: string): Promise<GoSdk | undefined> {
  if (goMod === undefined) {
    throw usageError("GO_MOD_MISSING", `there is no go.mod in ${folder} or above it`, {
      hint: "go mod init example.com/filter, or start a project: wasme init --language go",
    });
  }
  const mod = await readGoMod(dirname(goMod));
  const sdk = mod === undefined ? undefined : sdkOf(mod);
  if (sdk?.language !== "tinygo") return sdk;
  throw usageError("SDK_UNFIT", `the project in ${folder} uses ${sdk.module}, which only TinyGo can build`, {
    hint: `wasme build tinygo ${folder} -t REF; the SDK for Go is github.com/proxy-wasm/proxy-wasm-go-sdk`,
  });
}
