import { WasmeError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import { type Env, envValue } from "../platform/env.ts";
import type { ToolchainDeps } from "./runner.ts";

/** One call of npm in a project. */
export interface NpmCall {
  readonly args: readonly string[];
  /** The project's folder. */
  readonly folder: string;
}

/** How npm ended. */
export interface NpmResult {
  readonly ok: boolean;
  readonly exitCode: number | undefined;
  /** Both streams, in lines. */
  readonly lines: readonly string[];
  /** npm's own code of the failure: `ECONNREFUSED`, `E404`, `EUSAGE`. */
  readonly code: string | undefined;
}

/**
 * Runs npm, the one that started wasme or the one in `PATH`. Its lines go out as `output` events while it runs, its
 * closing error lines are kept back for the caller: {@link tellNpmErrors}. Throws `NPM_NOT_FOUND` (usage) when there
 * is no npm.
 */
export async function runNpm(deps: ToolchainDeps, call: NpmCall, events: EventSink): Promise<NpmResult> {
  const { command, before } = findNpm(deps.env);
  const lines: string[] = [];
  const result = await deps.exec(command, [...before, ...call.args], {
    cwd: call.folder,
    // Its advertisement of newer versions is noise in a build, and a request nobody asked for.
    env: { ...soonTold(deps.env), ...outsideScripts(deps.env), npm_config_update_notifier: "false" },
    signal: deps.signal,
    onLine: (line) => {
      lines.push(line);
      if (!isNpmError(line)) events({ type: "output", line });
    },
  });
  if (result.failure === "ENOENT") {
    throw new WasmeError("usage", "NPM_NOT_FOUND", "npm was not found in PATH", {
      hint: "install Node.js with npm, or install the project's dependencies in another way and build again",
    });
  }
  const code = lines
    .map((line) => /^npm (?:error|ERR!) code (\S+)/u.exec(line)?.[1])
    .find((found) => found !== undefined);
  return { ok: result.exitCode === 0, exitCode: result.exitCode, lines, code };
}

/** The version of the npm that {@link runNpm} would run; `undefined` when there is none. */
export async function npmVersion(deps: ToolchainDeps): Promise<string | undefined> {
  const { command, before } = findNpm(deps.env);
  const { exitCode, stdout } = await deps.exec(command, [...before, "--version"], { env: outsideScripts(deps.env) });
  return exitCode === 0 ? stdout.trim() : undefined;
}

/** Passes on the error lines that {@link runNpm} kept back: as `output`, or as `debug` when they are told otherwise. */
export function tellNpmErrors(result: NpmResult, type: "output" | "debug", events: EventSink): void {
  for (const line of result.lines.filter(isNpmError)) {
    events(type === "output" ? { type, line } : { type, message: line });
  }
}

function findNpm(env: Env): { readonly command: string; readonly before: readonly string[] } {
  const running = envValue(env, "npm_execpath");
  if (running?.endsWith("npm-cli.js") === true) return { command: process.execPath, before: [running] };
  return { command: "npm", before: [] };
}

/**
 * What npm tells the scripts it runs must not reach an npm run by one of them: it would take the outer project for
 * its own. Settings of the user (registry, proxy, cache) stay.
 */
function outsideScripts(env: Env): Env {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !OUTER_PROJECT.test(name)));
}

/**
 * npm asks a registry that is not there twice again, in silence: by itself after 10 and another 60 seconds, here after one
 * and another ten. A setting in the environment stays.
 */
function soonTold(env: Env): Env {
  const said = Object.keys(env).some((name) => /^npm_config_fetch_retry_mintimeout$/iu.test(name));
  return said ? {} : { npm_config_fetch_retry_mintimeout: "1000" };
}

const OUTER_PROJECT =
  /^npm_(?:package|lifecycle)_|^npm_config_(?:local_prefix|global|workspaces?|include_workspace_root|dry_run|package_lock_only|omit|include|only)$/iu;

function isNpmError(line: string): boolean {
  return /^npm (?:error|ERR!)(?:\s|$)/u.test(line);
}
