import { WasmeError } from "../../domain/errors.ts";
import type { RunResult } from "../../platform/process-runner.ts";
import { installHint } from "../install-hint.ts";
import type { ToolchainDeps } from "../runner.ts";
import { saidSuffix } from "../said.ts";
import { type Engine, type SilentEngine, wantedEngines } from "./engine.ts";

/** No engine answers: `ENGINE_SILENT` when a client is there, else `ENGINE_MISSING` (build-failed). */
export async function noEngine(deps: ToolchainDeps, silent: readonly SilentEngine[]): Promise<WasmeError> {
  const [first] = silent;
  const without = "or leave out --builder container and -i to build with the tools of this machine";
  if (first === undefined) {
    const names = wantedEngines(deps).join(" nor ");
    const what = names.includes(" nor ")
      ? `neither ${names} is in PATH`
      : `${names} is not in PATH, and WASME_USE_PODMAN asks for it`;
    return new WasmeError("build-failed", "ENGINE_MISSING", `cannot build in a container: ${what}`, {
      hint: `${await installHint("podman")}; ${without}`,
    });
  }
  const all = silent.map(({ kind, command, said }) => `${kind} (${command}) says: ${said}`).join("; ");
  return new WasmeError("build-failed", "ENGINE_SILENT", `cannot build in a container: no engine answers; ${all}`, {
    hint: `${START[first.kind]}; ${without}`,
    details: { engines: silent.map(({ kind, said }) => ({ kind, said })) },
  });
}

const START = {
  docker: "start the Docker daemon, and see that docker version shows a server",
  podman: "see what podman info says (podman machine start on macOS and Windows)",
} as const;

/** A container that failed. */
export interface ContainerFailure {
  readonly engine: Engine;
  readonly image: string;
  readonly folder: string;
  readonly install: boolean;
}

/**
 * Says in one sentence why a build in a container failed; the compiler's own lines have been shown. 125 is the engine's
 * own failure, 126 and 127 a program that cannot be started (docs.docker.com, "docker run", exit status).
 */
export function containerError(result: RunResult, { engine, image, folder, install }: ContainerFailure): WasmeError {
  const said = `${result.stdout}\n${result.stderr}`;
  const details = { engine: `${engine.kind} ${engine.version}`, image };
  const used = `${image} was used, by ${engine.kind} ${engine.version}`;
  if (/no space left on device/iu.test(said)) {
    return new WasmeError("failed", "DISK_FULL", `the disk got full while ${image} built ${folder}`, {
      hint: `free some space; ${engine.kind} system prune frees what the engine no longer needs`,
      details,
    });
  }
  if (result.exitCode === undefined || [125, 126, 127].includes(result.exitCode)) {
    const why = lastLine(result.stderr) ?? result.failure ?? "it was ended";
    return new WasmeError("build-failed", "CONTAINER_NOT_STARTED", `${engine.kind} cannot run ${image}: ${why}`, {
      hint: hintOf(why, engine),
      details,
    });
  }
  const errors = errorsIn(said);
  const end =
    errors.first === undefined
      ? ` with exit code ${result.exitCode}: ${lastLine(said) ?? "it said nothing"}`
      : saidSuffix(errors);
  return new WasmeError(
    "build-failed",
    "CONTAINER_BUILD_FAILED",
    `the build of ${folder} in a container failed${end}`,
    {
      hint: `${used}; ${errors.first === undefined ? adviceFor(said, install) : "it shows the places above"}`,
      details,
    },
  );
}

function hintOf(why: string, { kind }: Engine): string {
  if (/not found|no such file/iu.test(why) && /exec|sh\b/u.test(why))
    return "the image has no such program; -i IMAGE names another one";
  if (/bind source path does not exist|statfs|no such file or directory/iu.test(why))
    return `${kind} does not see the folders of this machine: use a daemon on this machine, or a folder it shares (--tmp-dir DIR, TMPDIR)`;
  if (/permission denied|Operation not permitted/iu.test(why))
    return `see whether ${kind} run --rm hello-world works here`;
  return `see whether ${kind} can run the image by itself`;
}

function adviceFor(said: string, install: boolean): string {
  if (/resolve host|no such host|EAI_AGAIN|ENOTFOUND|ECONNREFUSED|Connection refused|dial tcp|timed out/iu.test(said)) {
    return install
      ? "inside a container localhost is the container itself, for a proxy too; check HTTPS_PROXY"
      : "--no-install cuts the container off the network: build once without it";
  }
  if (/EACCES|[Pp]ermission denied|Read-only file system/u.test(said)) {
    return "it ran as you, not as root, and sees only the project's folder";
  }
  return "-i IMAGE names another one; wasme doctor shows what builds without a container";
}

/** Errors as compilers write them: rustc, go and tinygo, clang, asc. */
function errorsIn(said: string): { readonly first: string | undefined; readonly count: number } {
  const lines = said.split("\n").filter((line) => ERROR.test(line));
  return { first: lines[0]?.trim().replace(/^(?:ERROR|error):? /u, ""), count: lines.length };
}

const ERROR =
  /^error(?:\[E\d+\])?: (?!could not compile|aborting)|^\S+\.go:\d+(?::\d+)?: |^\S+:\d+:\d+: (?:fatal )?error: |^ERROR (?:AS|TS)?\d|^ERROR: /u;

function lastLine(text: string): string | undefined {
  return text
    .split("\n")
    .findLast((line) => line.trim() !== "")
    ?.trim();
}

/** The container ended well and left nothing to use. */
export function noModule(what: string, { engine, image }: ContainerFailure): WasmeError {
  return new WasmeError("build-failed", "MODULE_NOT_MADE", `${image} ${what}`, {
    hint: `a builder image leaves its module in /build_output/filter.wasm, readable by you; ${engine.kind} ran it`,
  });
}
