import { findTool } from "../find-tool.ts";
import { installHint } from "../install-hint.ts";
import { npmVersion } from "../npm.ts";
import type { ToolchainDeps, ToolReport } from "../runner.ts";
import { type Candidate, findNative } from "./native.ts";
import { NPM_CLANG, NPM_CLANG_VERSION } from "./project.ts";

/** What is there of C++, seen from outside any project: each compiler tried, npm, make and cmake. */
export async function reportCpp(deps: ToolchainDeps): Promise<readonly ToolReport[]> {
  const candidates = await findNative(deps, true);
  const native = candidates.map(describe);
  const works = native.some(({ state }) => state === "ok");
  const clang = await installHint("clang");
  const missing: readonly ToolReport[] = works
    ? []
    : [{ tool: "clang++", state: "optional", purpose: "builds C++ filters faster than npm's clang", install: clang }];
  const version = await npmVersion(deps);
  const npm: ToolReport = {
    tool: NPM_CLANG,
    ...(version === undefined
      ? { state: works ? "optional" : "missing" }
      : { state: "ok", version: NPM_CLANG_VERSION }),
    purpose: "builds C++ filters with npm alone; a project's lock file pins it",
    ...(version === undefined ? { install: await installHint("node") } : {}),
  };
  return [
    ...native,
    ...missing,
    npm,
    ...(await Promise.all(["make", "cmake"].map(async (tool) => await own(deps, tool)))),
  ];
}

function describe({ name, path, compiler, problem }: Candidate): ToolReport {
  const facts = { tool: name, where: path, purpose: "builds C++ filters" };
  if (compiler === undefined) return { ...facts, state: "unfit", problem };
  return { ...facts, state: "ok", version: compiler.label.replace(/^\S+ /u, "") };
}

async function own(deps: ToolchainDeps, tool: string): Promise<ToolReport> {
  const where = await findTool(deps.env, tool);
  const purpose = `builds C++ projects that have a ${tool === "make" ? "Makefile" : "CMakeLists.txt"}`;
  return where === undefined ? { tool, state: "optional", purpose } : { tool, state: "ok", where, purpose };
}
