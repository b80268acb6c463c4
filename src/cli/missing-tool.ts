import type { Context } from "./context.ts";

/** What building a language begins with: one of these programs, and what brings it. */
const TOOLS = {
  assemblyscript: { programs: ["npm"], title: "AssemblyScript", install: "node" },
  rust: { programs: ["cargo"], title: "Rust", install: "rust" },
  go: { programs: ["go"], title: "Go", install: "go" },
  tinygo: { programs: ["tinygo"], title: "TinyGo", install: "tinygo" },
  cpp: { programs: ["npm", "clang++", "em++"], title: "C++", install: "node" },
} as const;

/**
 * Warns when the program that a language's build begins with is not in `PATH`, with the command that brings it. Only
 * looks: whether the program is fit for filters is found out by `build` and `doctor`.
 */
export async function warnOfMissingTool({ env, events }: Context, language: string): Promise<void> {
  const tool = Object.entries(TOOLS).find(([name]) => name === language)?.[1];
  if (tool === undefined) return;
  const { findTool, installedBesidePath, pathCommand } = await import("../toolchain/find-tool.ts");
  for (const program of tool.programs) if ((await findTool(env, program)) !== undefined) return;
  const folder = await installedBesidePath(env, tool.programs[0]);
  const { installHint } = await import("../toolchain/install-hint.ts");
  const command = folder === undefined ? await installHint(tool.install) : pathCommand(folder);
  events({
    type: "warning",
    message: `${tool.programs[0]} is not in PATH: building a filter in ${tool.title} needs it`,
    hint: `${command} (wasme doctor shows what there is)`,
  });
}
