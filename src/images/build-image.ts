import { mkdtemp, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { BuildFacts } from "../domain/build-facts.ts";
import { usageError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import { type ImageReference, parseImageReference } from "../domain/image-reference.ts";
import { makeDirectory, writeError } from "../platform/atomic-file.ts";
import type { Paths } from "../platform/paths.ts";
import { buildModule } from "../toolchain/build-module.ts";
import { checkSource, detectLanguage } from "../toolchain/detect.ts";
import type { BuildLanguage, Builder, BuiltModule, ToolchainDeps, ToolchainRunner } from "../toolchain/runner.ts";
import { RUNNERS, runnerOf } from "../toolchain/runners.ts";
import { type ChosenConfig, chooseRuntimeConfig } from "./choose-runtime-config.ts";
import { requireTag } from "./tag-image.ts";
import { type StoredModule, type StoreModuleDeps, storeModule } from "./store-module.ts";

/** What a build needs: a toolchain's world, the store, the working directory and a place for temporary folders. */
export interface BuildImageDeps extends ToolchainDeps, StoreModuleDeps {
  readonly signal: AbortSignal;
  readonly cwd: string;
  readonly paths: Pick<Paths, "home" | "tmp">;
}

/** What to build. Relative paths start at the working directory. */
export interface BuildImageRequest {
  /** The image's name as typed; it must not hold a digest. */
  readonly tag: string;
  /** The project's folder. */
  readonly source: string;
  /** Found out from the project's files when absent. */
  readonly language?: string;
  /** Runtime config file; else `runtime-config.json` in the source folder, else derived from the module. */
  readonly runtimeConfig?: string;
  readonly builder: Builder;
  /** False: dependencies are not installed, missing ones are an error. */
  readonly install: boolean;
  /** False: the module stays as the compiler made it. */
  readonly optimize: boolean;
  /** Builder image for a build in a container; the language's default when absent. */
  readonly image?: string;
  /** Variables for the builder container, by name. */
  readonly containerEnv?: Readonly<Record<string, string>>;
  /** False: a module that no proxy will load is stored all the same, with a warning. */
  readonly check: boolean;
  /** The time to write into the image; none when absent. */
  readonly created?: Date;
  /** Also copies the module to this file. */
  readonly out?: string;
  /** Builds here, and keeps `filter.wasm` in it; else in a temporary folder that is removed. */
  readonly tmpDir?: string;
}

/** What was built and stored. */
export interface BuildImageResult extends StoredModule {
  readonly language: BuildLanguage;
  /** Compiler and version. */
  readonly toolchain: string;
  readonly facts: BuildFacts;
}

/**
 * Builds a project and stores the module as an image. Name, folder, language and runtime config are checked before
 * anything runs; the module is checked before anything is stored. Throws usage errors for all of those, the
 * toolchain's errors (`build-failed`, `unreachable`), those of the module check, and the signal's reason.
 */
export async function buildImage(
  deps: BuildImageDeps,
  request: BuildImageRequest,
  events: EventSink,
): Promise<BuildImageResult> {
  const reference = parseImageReference(request.tag);
  requireTag(reference);
  const source = resolve(deps.cwd, request.source);
  await checkSource(source);
  const runner = request.language === undefined ? await detectLanguage(source, RUNNERS) : runnerOf(request.language);
  const out = request.out === undefined ? undefined : await checkOut(resolve(deps.cwd, request.out));
  const given = request.runtimeConfig === undefined ? undefined : resolve(deps.cwd, request.runtimeConfig);
  const config = await chooseRuntimeConfig(given, [source], events);
  const plan = { reference, source, runner, out, config };
  return await inFolder(deps, request.tmpDir, (outDir) => run(deps, { ...plan, outDir, request }, events));
}

interface BuildPlan {
  readonly request: BuildImageRequest;
  readonly reference: ImageReference;
  readonly source: string;
  readonly runner: ToolchainRunner;
  readonly out: string | undefined;
  readonly config: ChosenConfig;
  readonly outDir: string;
}

async function run(deps: BuildImageDeps, plan: BuildPlan, events: EventSink): Promise<BuildImageResult> {
  const { request, reference, source, runner, outDir } = plan;
  const { builder, install, optimize, image, containerEnv, check, created } = request;
  const options = {
    ...(image !== undefined && { image }),
    ...(containerEnv !== undefined && { containerEnv }),
  };
  const what = { source, outDir, builder, install, optimize, ...options };
  const built: BuiltModule = await buildModule(deps, runner, what, events);
  deps.signal.throwIfAborted();
  const module = {
    file: built.modulePath,
    title: "the built module",
    reference,
    check,
    facts: built.facts,
    created,
    out: plan.out,
  };
  const stored = await storeModule(deps, { ...module, config: plan.config }, events);
  return { ...stored, language: runner.language, toolchain: built.toolchain, facts: built.facts };
}

/** Runs work in the folder the user named, which stays, or in a temporary one, which does not. */
async function inFolder<T>(
  deps: Pick<BuildImageDeps, "cwd" | "paths">,
  named: string | undefined,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await makeFolder(deps, named);
  try {
    return await work(folder);
  } finally {
    if (named === undefined) await rm(folder, { recursive: true, force: true });
  }
}

async function makeFolder(deps: Pick<BuildImageDeps, "cwd" | "paths">, named: string | undefined): Promise<string> {
  const folder = named === undefined ? join(deps.paths.tmp, "wasme-build-") : resolve(deps.cwd, named);
  try {
    if (named === undefined) return await mkdtemp(folder);
    await makeDirectory(folder);
    return folder;
  } catch (error) {
    throw writeError(error, folder);
  }
}

/** A folder in the place of the output file is told before the build, not after it. */
async function checkOut(out: string): Promise<string> {
  const found = await stat(out).catch(() => undefined);
  if (found?.isDirectory() !== true) return out;
  throw usageError("OUT_IS_FOLDER", `${out} is a folder; --out takes a file name`, {
    hint: `--out ${join(out, "filter.wasm")}`,
  });
}
