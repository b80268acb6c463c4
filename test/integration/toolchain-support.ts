import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestContext } from "vitest";
import type { WasmeError } from "../../src/domain/errors.ts";
import type { ProgressEvent } from "../../src/domain/events.ts";
import type { Env } from "../../src/platform/env.ts";
import { buildModule } from "../../src/toolchain/build-module.ts";
import type { BuildLanguage, BuiltModule, ToolchainDeps, ToolchainRequest } from "../../src/toolchain/runner.ts";
import { runnerOf } from "../../src/toolchain/runners.ts";
import { need } from "../components/require-component.ts";
import { goProgram } from "../components/go.ts";
import { rustCargo } from "../components/rust.ts";
import { failure } from "../support/failure.ts";
import { emptyFolder, outputOf, recorder, toolchainDeps } from "./build-support.ts";

/** The filters that the tests build of real SDKs. */
export const FILTERS: string = fileURLToPath(new URL("../fixtures/filters/", import.meta.url));

/** What is built, and with what around it. */
export interface BuildSetup {
  readonly language: BuildLanguage;
  readonly source: string;
  readonly env?: Env;
  readonly deps?: Partial<ToolchainDeps>;
  readonly request?: Partial<ToolchainRequest>;
}

/** A build that went well. */
export interface Finished extends BuiltModule {
  readonly bytes: Buffer;
  readonly events: readonly ProgressEvent[];
  /** The tool's own lines. */
  readonly output: string;
}

/** Builds natively, without the optimizer. */
export async function buildProject(setup: BuildSetup): Promise<Finished> {
  const { events, sink } = recorder();
  const built = await start(setup, sink);
  return { ...built, events, output: outputOf(events), bytes: await readFile(built.modulePath) };
}

/** The error that a build ends with, and the lines the tool had printed before. */
export async function buildFailure(setup: BuildSetup): Promise<{ error: WasmeError; output: string }> {
  const { events, sink } = recorder();
  const error = await failure(start(setup, sink));
  return { error, output: outputOf(events) };
}

async function start(
  { language, source, env, deps, request }: BuildSetup,
  sink: (event: ProgressEvent) => void,
): Promise<BuiltModule> {
  const outDir = await emptyFolder();
  const world = toolchainDeps({ ...(env !== undefined && { env }), ...deps });
  const what = { source, outDir, builder: "native", install: true, optimize: false, ...request } as const;
  return await buildModule(world, runnerOf(language), what, sink);
}

/** Skips the test where there is no cargo with the target that filters are built for. */
export async function needRust(context: TestContext): Promise<void> {
  await need(context, "rust", () => rustCargo("wasm32-wasip1"));
}

/** The environment in which `go` is one that can build filters; skips the test where there is none. */
export async function needGo(context: TestContext): Promise<Env> {
  const go = await need(context, "go", goProgram);
  return { ...process.env, GOFLAGS: "", GOWORK: "off", PATH: `${join(go, "..")}:${process.env["PATH"] ?? ""}` };
}
