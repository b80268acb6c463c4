import { findTool } from "../find-tool.ts";
import { installHint } from "../install-hint.ts";
import type { ToolchainDeps, ToolReport } from "../runner.ts";
import { surveyEngines } from "./engine.ts";

/** What runs containers here: the engine that answers, else the client whose engine does not, else how to get one. */
export async function engineReport(deps: ToolchainDeps): Promise<ToolReport> {
  const purpose = "builds in a container where nothing else serves, or with --builder container";
  const { engine, silent } = await surveyEngines(deps);
  if (engine !== undefined) {
    const { kind, command, version } = engine;
    return { tool: kind, state: "ok", where: command, version, purpose };
  }
  const [first] = silent;
  if (first === undefined) return { tool: "podman", state: "optional", purpose, install: await installHint("podman") };
  const problem = `its engine does not answer: ${first.said}`;
  const other = (await findTool(deps.env, "podman")) === undefined ? { install: await installHint("podman") } : {};
  return { tool: first.kind, state: "unfit", where: first.command, purpose, problem, ...other };
}
