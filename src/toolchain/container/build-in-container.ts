import { randomBytes } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, realpath, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, digestOf } from "../../domain/digest.ts";
import type { EventSink } from "../../domain/events.ts";
import { writeError } from "../../platform/atomic-file.ts";
import { withFileLock } from "../../platform/file-lock.ts";
import { cachedBuild } from "../build-cache.ts";
import { hashInputs } from "../build-inputs.ts";
import { optimizeModule } from "../optimize.ts";
import {
  type BuildLanguage,
  type BuiltModule,
  MODULE_FILE,
  type ToolchainDeps,
  type ToolchainRequest,
} from "../runner.ts";
import { containerError, noEngine, noModule } from "./container-error.ts";
import { copySource } from "./copy-source.ts";
import { type Engine, surveyEngines } from "./engine.ts";
import { ensureImage, type LocalImage } from "./ensure-image.ts";
import { kindOf } from "./images.ts";
import { planBuilder } from "./plan-builder.ts";
import { planCpp } from "./plan-cpp.ts";
import type { ContainerPlan, PlanRequest } from "./plan.ts";
import { planAssemblyScript, planGo, planRust, planTinyGo } from "./plans.ts";
import { runContainer } from "./run-container.ts";
import { usualImage } from "./usual-image.ts";

/**
 * Builds a project in a container of Docker or podman: in an image of the language's compiler, which wasme tells how, or
 * in a builder image that somebody named. The source is read-only, or a copy for builder images, which write into it;
 * the container runs as the caller and is gone afterwards; what it downloads is kept below `$WASME_HOME/cache`. The same
 * sources in the same image are not built again. Throws `ENGINE_MISSING`, `ENGINE_SILENT`, `BUILDER_IMAGE_*`,
 * `CONTAINER_NOT_STARTED`, `CONTAINER_BUILD_FAILED`, `MODULE_NOT_MADE`, `DISK_FULL`, what is wrong with the project, and the
 * signal's reason.
 */
export async function buildInContainer(
  deps: ToolchainDeps,
  language: BuildLanguage,
  request: ToolchainRequest,
  events: EventSink,
): Promise<BuiltModule> {
  const folder = await realpath(request.source);
  const { engine, silent } = await surveyEngines(deps);
  if (engine === undefined) throw await noEngine(deps, silent);
  const work = await prepare(deps, { engine, language, folder, request }, events);
  const { plan, image, reference } = work;
  const modulePath = join(request.outDir, MODULE_FILE);
  const inputs = plan.pinned ? await inputsOf(work) : undefined;
  const { hit, notes } = await cachedBuild(deps, { key: inputs, modulePath }, async () => {
    const compiler = await compile(deps, { ...work, modulePath }, events);
    return { keep: true, notes: { compiler } };
  });
  if (hit) events({ type: "debug", message: `nothing has changed since ${reference} (${image.id}) made this module` });
  const compiler = plan.label(notes["compiler"] ?? "");
  const optimizer = plan.optimize ? await optimizeModule(deps, { modulePath, request }, events) : undefined;
  const facts = {
    language,
    compiler,
    ...plan.facts,
    ...(optimizer !== undefined && { optimizer }),
    builder: "container",
    ...(inputs !== undefined && { inputHash: inputs }),
  } as const;
  return { modulePath, toolchain: compiler === reference ? compiler : `${compiler} in ${reference}`, facts };
}

interface Work {
  readonly engine: Engine;
  readonly language: BuildLanguage;
  readonly folder: string;
  readonly request: ToolchainRequest;
}

interface Prepared extends Work {
  readonly reference: string;
  readonly image: LocalImage;
  readonly plan: ContainerPlan;
}

/** Gets the image and says what runs in it; what is wrong with the project is told before anything is pulled. */
async function prepare(deps: ToolchainDeps, work: Work, events: EventSink): Promise<Prepared> {
  const { engine, language, folder, request } = work;
  const usual = await usualImage(language, folder);
  const reference = request.image ?? usual.image;
  const early =
    request.image === undefined ? await planFor(deps, { ...work, image: { reference, kind: "tools" } }) : undefined;
  const platform = request.image === undefined ? usual.platform : undefined;
  const image = await ensureImage(deps, { engine, reference, platform, install: request.install }, events);
  const kind = kindOf(language, reference, image.label);
  const plan = early ?? (await planFor(deps, { ...work, image: { reference, kind } }));
  const logins = Object.keys(request.containerEnv ?? {});
  if (plan.script !== undefined && logins.length > 0) {
    const message = `${reference} is no builder image: ${logins.join(", ")} ${logins.length === 1 ? "means" : "mean"} nothing to it`;
    events({ type: "warning", message, hint: "-i names a builder image" });
  }
  return { ...work, reference, image, plan };
}

async function planFor(deps: ToolchainDeps, plan: PlanRequest): Promise<ContainerPlan> {
  if (plan.image.kind === "builder") return await planBuilder(plan, deps.env);
  switch (plan.language) {
    case "assemblyscript":
      return await planAssemblyScript(plan);
    case "rust":
      return await planRust(plan);
    case "go":
      return await planGo(plan);
    case "tinygo":
      return await planTinyGo(plan);
    case "cpp":
      return await planCpp(plan);
  }
}

async function inputsOf({ folder, plan, image, language }: Prepared): Promise<Digest | undefined> {
  const env = Object.entries(plan.env).filter(([name]) => !name.startsWith("NPM_P"));
  const parts = ["container", language, image.id, plan.script ?? "", JSON.stringify(env)];
  return (await hashInputs({ folder, parts }))?.hash;
}

/** Runs the container in folders of its own; gives what the compiler said of itself. */
async function compile(
  deps: ToolchainDeps,
  work: Prepared & { readonly modulePath: string },
  events: EventSink,
): Promise<string> {
  const { engine, reference, folder, modulePath, request } = work;
  const id = "compile";
  const places = await makePlaces(deps, work);
  events({ type: "task.start", id, message: `Building in a container (${engine.kind}, ${reference})` });
  let ok = false;
  try {
    const compiler = await withFileLock(
      `${places.projectCache}.lock`,
      async () => await runIn(deps, { ...work, ...places }, events),
      { signal: deps.signal, waitMs: 3_600_000 },
    );
    await takeModule(join(places.output, MODULE_FILE), modulePath, {
      engine,
      image: reference,
      folder,
      install: request.install,
    });
    ok = true;
    return compiler;
  } finally {
    await rm(places.temporary, { recursive: true, force: true });
    events({ type: "task.end", id, ok });
  }
}

interface Places {
  /** Removed after the build. */
  readonly temporary: string;
  readonly output: string;
  readonly cache: string;
  readonly projectCache: string;
}

/** Made here, for an engine would make them as root. The temporary folder is where the user wants the module (`--tmp-dir`). */
async function makePlaces(deps: ToolchainDeps, { language, folder, request }: Prepared): Promise<Places> {
  const base = join(deps.paths.home, "cache", "containers", language);
  try {
    const temporary = await mkdtemp(join(await realpath(request.outDir), "container-"));
    const output = join(temporary, "output");
    await mkdir(output);
    const cache = join(base, "shared");
    const projectCache = join(base, "projects", digestOf(folder).slice(-32));
    for (const path of [join(cache, "home"), join(cache, "project"), projectCache])
      await mkdir(path, { recursive: true });
    return { temporary, output, cache, projectCache };
  } catch (error) {
    throw writeError(error, base);
  }
}

async function runIn(deps: ToolchainDeps, work: Prepared & Places, events: EventSink): Promise<string> {
  const { engine, language, folder, request, reference, image, plan, temporary, output, cache, projectCache } = work;
  const writable = plan.script === undefined;
  const source = writable ? join(temporary, "source") : folder;
  if (writable) await copySource(language, folder, source);
  const run = {
    engine,
    image: reference,
    platform: image.platform,
    source,
    writable,
    output,
    cache,
    projectCache,
    env: plan.env,
    script: plan.script,
    network: request.install,
    name: `wasme-build-${randomBytes(6).toString("hex")}`,
  };
  const result = await runContainer(deps, run, events);
  if (result.exitCode !== 0)
    throw containerError(result, { engine, image: reference, folder, install: request.install });
  return (await readFile(join(output, "compiler"), "utf8").catch(() => "")).split("\n", 1)[0]?.trim() ?? "";
}

async function takeModule(from: string, to: string, failure: Parameters<typeof noModule>[1]): Promise<void> {
  const found = await stat(from).catch(() => undefined);
  if (found === undefined) throw noModule("ended well and left no /build_output/filter.wasm", failure);
  if (!found.isFile() || found.size === 0)
    throw noModule("left a /build_output/filter.wasm that is empty or no file", failure);
  const bytes = await readFile(from).catch(() => undefined);
  if (bytes === undefined) throw noModule("left a /build_output/filter.wasm that you may not read", failure);
  await copyFile(from, to).catch((error: unknown) => {
    throw writeError(error, to);
  });
}
