import { access, constants, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf, messageOf } from "../domain/errors.ts";
import type { Env } from "../platform/env.ts";
import type { BuildLanguage, ToolchainDeps, ToolchainRunner, ToolReport } from "./runner.ts";
import { type Way, waysOf } from "./ways.ts";

/** Whether a language can be built on this machine, by what, and what is there of it. JSON-safe. */
export interface LanguageHealth {
  readonly language: BuildLanguage;
  readonly canBuild: boolean;
  /** The ways that serve, best first. */
  readonly ways: readonly Way[];
  /** What to do when there is none: a command to type, or where to read. */
  readonly advice?: string;
  readonly tools: readonly ToolReport[];
}

/** What of this machine builds need. JSON-safe. */
export interface MachineHealth {
  /** False when a language that was asked for cannot be built. */
  readonly ok: boolean;
  /** The Node.js that runs wasme. */
  readonly node: { readonly version: string; readonly where: string };
  /** wasme's folder: images, caches, tools installed once. */
  readonly home: { readonly path: string; readonly writable: boolean; readonly problem?: string };
  /** What runs containers; absent where that was not looked for. */
  readonly engine?: ToolReport;
  readonly languages: readonly LanguageHealth[];
}

/** The outside world, and what says whether containers can be run here. */
export interface ExamineDeps extends ToolchainDeps {
  readonly findEngine?: ((deps: ToolchainDeps) => Promise<ToolReport>) | undefined;
}

/**
 * Looks at what each language needs, all side by side: tools are asked for their version and compile three lines, which
 * is kept for the next time. Nothing is downloaded or installed. `asked` decides `ok`. Rejects with the signal's reason.
 */
export async function examineTools(
  deps: ExamineDeps,
  runners: readonly ToolchainRunner[],
  asked: readonly string[],
): Promise<MachineHealth> {
  const quiet: ToolchainDeps = { ...deps, env: { ...deps.env, ...OFFLINE }, exec: bounded(deps.exec) };
  const [home, engine, reports] = await Promise.all([
    examineHome(deps.paths.home),
    deps.findEngine?.(quiet),
    Promise.all(runners.map(async (runner) => ({ runner, tools: await reportOf(runner, quiet) }))),
  ]);
  deps.signal.throwIfAborted();
  const languages = reports.map(({ runner, tools }) => judge(runner.language, tools, engine));
  return {
    ok: languages.every(({ language, canBuild }) => canBuild || !asked.includes(language)),
    node: { version: process.versions.node, where: process.execPath },
    home,
    ...(engine === undefined ? {} : { engine }),
    languages,
  };
}

/** One language that cannot be looked at must not hide the others. */
async function reportOf(runner: ToolchainRunner, deps: ToolchainDeps): Promise<readonly ToolReport[]> {
  try {
    return await runner.report(deps);
  } catch (error) {
    deps.signal.throwIfAborted();
    const purpose = `builds ${runner.language} filters`;
    return [{ tool: runner.language, state: "unfit", purpose, problem: messageOf(error) }];
  }
}

function judge(language: BuildLanguage, tools: readonly ToolReport[], engine: ToolReport | undefined): LanguageHealth {
  const ways = waysOf(language, tools, engine);
  if (ways.length > 0) return { language, canBuild: true, ways, tools };
  const lacking = tools.find(({ state, install }) => state !== "ok" && state !== "optional" && install !== undefined);
  const advice = (lacking ?? tools.find(({ install }) => install !== undefined))?.install;
  return { language, canBuild: false, ways, ...(advice === undefined ? {} : { advice }), tools };
}

/** Nothing is made: a folder that is not there yet counts when it could be made. */
async function examineHome(path: string): Promise<MachineHealth["home"]> {
  let place = path;
  for (;;) {
    const found = await stat(place).catch(() => undefined);
    if (found?.isDirectory() === false) return { path, writable: false, problem: `${place} is no folder` };
    if (found !== undefined || dirname(place) === place) break;
    place = dirname(place);
  }
  try {
    await access(place, constants.W_OK);
    return { path, writable: true };
  } catch (error) {
    return { path, writable: false, problem: `${place} cannot be written to (${errnoOf(error) ?? messageOf(error)})` };
  }
}

/** A tool that hangs must not hang us; those that compile have a limit of their own. */
function bounded(exec: ToolchainDeps["exec"]): ToolchainDeps["exec"] {
  return async (command, args, options) => await exec(command, args, { timeoutMs: ANSWER_MS, ...options });
}

const ANSWER_MS = 20_000;

/** Keeps rustup, go and npm from fetching what somebody only asked about. */
const OFFLINE: Env = { RUSTUP_AUTO_INSTALL: "0", GOPROXY: "off", npm_config_update_notifier: "false" };
