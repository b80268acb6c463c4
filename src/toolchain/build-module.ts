import { usageError, WasmeError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import type { BuiltModule, ToolchainDeps, ToolchainRequest, ToolchainRunner } from "./runner.ts";
import { isToolMissing } from "./tool-missing.ts";

/**
 * Builds a project: by its language's runner, or in a container when `builder` says so. With `auto` a container serves
 * where the runner finds no tool that can build (`isToolMissing`) and an engine answers. Throws what the runner and
 * the container builder throw, and `BUILDER_UNFIT` (usage) for a way of building that the language does not have.
 */
export async function buildModule(
  deps: ToolchainDeps,
  runner: ToolchainRunner,
  request: ToolchainRequest,
  events: EventSink,
): Promise<BuiltModule> {
  if (request.builder === "npm" && !BY_NPM.has(runner.language)) {
    throw usageError("BUILDER_UNFIT", `no npm package brings a compiler for ${runner.language}`, {
      hint: "leave out --builder npm",
    });
  }
  if (request.builder === "container") {
    throw usageError("BUILDER_UNFIT", `${runner.language} is not built in a container yet`, {
      hint: "leave out --builder container",
    });
  }
  try {
    return await runner.build(deps, request, events);
  } catch (error) {
    throw isToolMissing(error) ? withDoctor(error, runner.language) : error;
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
