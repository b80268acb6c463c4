import { usageError } from "../../domain/errors.ts";
import type { EventSink } from "../../domain/events.ts";
import { installPackages, installVerb } from "../npm-install.ts";
import type { ToolchainDeps } from "../runner.ts";
import { type AsCompiler, type AsProject, findCompiler } from "./project.ts";

/**
 * The project's compiler, installed by npm when its `node_modules` lacks it: see `installPackages`. Throws
 * `INSTALL_REFUSED` and `COMPILER_NOT_NAMED` (usage), and what npm ran into.
 */
export async function ensureCompiler(
  deps: ToolchainDeps,
  request: { readonly project: AsProject; readonly install: boolean },
  events: EventSink,
): Promise<AsCompiler> {
  const { project } = request;
  const present = await findCompiler(project);
  if (present !== undefined) return present;
  if (!request.install) {
    throw usageError("INSTALL_REFUSED", `assemblyscript is not installed in ${project.folder}`, {
      hint: `run npm ${installVerb(project)} there, or build without --no-install`,
    });
  }
  if (!project.dependencies.has("assemblyscript")) throw notNamed(project);
  await installPackages(deps, project, events);
  const installed = await findCompiler(project);
  if (installed === undefined) throw notNamed(project);
  return installed;
}

function notNamed(project: AsProject): Error {
  return usageError("COMPILER_NOT_NAMED", `package.json in ${project.folder} does not bring assemblyscript`, {
    hint: "npm install --save-dev assemblyscript",
  });
}
