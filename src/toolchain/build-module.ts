import { usageError, WasmeError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import type { BuiltModule, ToolchainDeps, ToolchainRequest, ToolchainRunner } from "./runner.ts";
import { isToolMissing } from "./tool-missing.ts";

/**
 * Builds a project: by its language's runner, or in a container when `builder` says so or an image is named. With `auto`
 * a container serves where the runner finds no tool that can build (`isToolMissing`) and an engine answers; that is said.
 * Throws what the runner and the container builder throw, and `BUILDER_UNFIT` (usage) for a way of building that the
 * language does not have.
 */
export async function buildModule(
  deps: ToolchainDeps,
  runner: ToolchainRunner,
  request: ToolchainRequest,
  events: EventSink,
): Promise<BuiltModule> {
  const { builder, image } = request;
  if (builder === "npm" && !BY_NPM.has(runner.language)) {
    throw usageError("BUILDER_UNFIT", `no npm package brings a compiler for ${runner.language}`, {
      hint: "leave out --builder npm",
    });
  }
  if (image !== undefined && (builder === "native" || builder === "npm")) {
    throw usageError("BUILDER_UNFIT", `a build by --builder ${builder} takes no builder image`, {
      hint: `leave out --builder ${builder}, or -i ${image}`,
    });
  }
  if (builder === "container" || image !== undefined) return await inContainer(deps, runner, request, events);
  try {
    return await runner.build(deps, request, events);
  } catch (error) {
    if (!isToolMissing(error)) throw error;
    const missing = withDoctor(error, runner.language);
    if (builder !== "auto") throw missing;
    return await instead(deps, { runner, request, missing }, events);
  }
}

/** Where all that the language needs is shown, and what brings it. */
function withDoctor({ kind, code, message, hint, details, cause }: WasmeError, language: string): WasmeError {
  const doctor = `wasme doctor ${language} shows what there is`;
  return new WasmeError(kind, code, message, {
    hint: hint === undefined ? doctor : `${hint} (${doctor})`,
    ...(details !== undefined && { details }),
    cause,
  });
}

/** Languages with a compiler among npm's packages. */
const BY_NPM: ReadonlySet<string> = new Set(["assemblyscript", "cpp"]);

async function inContainer(
  deps: ToolchainDeps,
  runner: ToolchainRunner,
  request: ToolchainRequest,
  events: EventSink,
): Promise<BuiltModule> {
  const { buildInContainer } = await import("./container/build-in-container.ts");
  return await buildInContainer(deps, runner.language, request, events);
}

interface Fallback {
  readonly runner: ToolchainRunner;
  readonly request: ToolchainRequest;
  /** Why the runner could not. */
  readonly missing: WasmeError;
}

/**
 * Builds in a container what no tool here can. The first error stands without an engine, or an image for the project; and
 * where no container gets to run, for its hint is the shorter way to a build.
 */
async function instead(
  deps: ToolchainDeps,
  { runner, request, missing }: Fallback,
  events: EventSink,
): Promise<BuiltModule> {
  const { findEngine } = await import("./container/engine.ts");
  const engine = await findEngine(deps);
  if (engine === undefined) throw missing;
  const hint = missing.hint === undefined ? {} : { hint: `to build without a container: ${missing.hint}` };
  events({ type: "warning", message: `${missing.message}; building in a container (${engine.kind}) instead`, ...hint });
  try {
    return await inContainer(deps, runner, request, events);
  } catch (error) {
    deps.signal.throwIfAborted();
    if (!(error instanceof WasmeError) || !/^BUILDER_IMAGE_|^CONTAINER_NOT_STARTED$/u.test(error.code)) throw error;
    if (error.code !== "BUILDER_IMAGE_NEEDED") events({ type: "warning", message: error.message });
    throw missing;
  }
}
