import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { usageError, WasmeError } from "../domain/errors.ts";
import type { Env } from "../platform/env.ts";
import type { ProcessRunner, RunResult } from "../platform/process-runner.ts";
import { type ForeignEntry, MAX_FILES, MAX_TOTAL, tooLarge } from "./template-folder.ts";
import type { GitSource } from "./template-source.ts";

/** What fetching a template needs of the outside world. */
export interface GitDeps {
  readonly exec: ProcessRunner;
  readonly env: Env;
  readonly signal?: AbortSignal;
}

/** A template's files as they came, in a folder of their own. */
export interface FetchedTemplate {
  /** Absolute; plain files only. */
  readonly folder: string;
  /** What the repository has beside files there: links, submodules. */
  readonly foreign: readonly ForeignEntry[];
  /** The commit it is. */
  readonly commit: string;
}

/** Fetching ends after this time. Milliseconds. */
const FETCH_MS = 120_000;

/**
 * Fetches one commit of a template's repository with the user's git into `work`, an empty folder, and writes its files
 * there. Nothing of the repository is executed: there is no checkout, so no hook, filter (LFS) or submodule comes into
 * play, and links are not made. Sizes are looked at before anything is written. Throws `GIT_NOT_FOUND` (usage),
 * `TEMPLATE_NOT_FOUND` (not-found), `TEMPLATE_UNAUTHORISED`, `TEMPLATE_UNREACHABLE`, `TEMPLATE_TOO_LARGE`.
 */
export async function fetchTemplate(deps: GitDeps, source: GitSource, work: string): Promise<FetchedTemplate> {
  const bare = join(work, "repository");
  const folder = join(work, "files");
  const git = new Git(deps, bare);
  await git.plain("init", ["--quiet", "--bare", "--template=", bare]);
  const fetched = await git.run(
    [
      ...SAFE,
      "fetch",
      "--quiet",
      "--depth=1",
      "--no-tags",
      "--no-recurse-submodules",
      "--",
      source.url,
      source.ref ?? "HEAD",
    ],
    {},
    FETCH_MS,
  );
  if (fetched.exitCode !== 0) throw fetchError(source, fetched);
  const commit = (await git.plain("rev-parse", ["--verify", "FETCH_HEAD^{commit}"])).trim();
  const tree = source.folder === undefined ? `${commit}^{tree}` : `${commit}:${source.folder}`;
  const listing = await git.run(["ls-tree", "-r", "-z", "-l", "--full-tree", tree], LOCAL);
  if (listing.failure === "EMAXBUFFER") throw tooLarge(source.url, `more than ${MAX_FILES} files`);
  if (listing.exitCode !== 0) throw noFolder(source);
  const foreign = inspect(source, listing.stdout);
  await mkdir(folder);
  await git.plain("read-tree", [tree]);
  await git.plain("checkout-index", ["--all", "--quiet"], ["--work-tree", folder]);
  return { folder, foreign, commit };
}

/** For git itself, whatever the user's configuration says. */
const SAFE: readonly string[] = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0"];

/** For work on what was fetched: no configuration of the user's, which could name programs for files to go through. */
const LOCAL: Env = {
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_ATTR_NOSYSTEM: "1",
  GIT_CONFIG_COUNT: "0",
};

class Git {
  readonly #deps: GitDeps;
  readonly #bare: string;

  constructor(deps: GitDeps, bare: string) {
    this.#deps = deps;
    this.#bare = bare;
  }

  /** Runs git and says how it ended. Prompts are off: nobody is asked for a password. */
  async run(args: readonly string[], more: Env = {}, timeoutMs?: number): Promise<RunResult> {
    const { exec, env, signal } = this.#deps;
    const inherited = Object.entries(env).filter(([name]) => !OF_ANOTHER_REPOSITORY.test(name));
    const result = await exec("git", ["--git-dir", this.#bare, ...args], {
      env: { ...Object.fromEntries(inherited), ...QUIET, ...more },
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(signal === undefined ? {} : { signal }),
    });
    if (result.failure !== "ENOENT") return result;
    throw usageError("GIT_NOT_FOUND", "git was not found in PATH; a template from a URL needs it", {
      hint: "install git, or clone the template in another way and name its folder: --template ./FOLDER",
    });
  }

  /** A call on what is here already: it works, or something is broken. Gives its output. */
  async plain(command: string, args: readonly string[], before: readonly string[] = []): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(
      [...before, ...SAFE, "-c", "core.symlinks=false", "-c", "core.autocrlf=false", command, ...args],
      LOCAL,
    );
    if (exitCode === 0) return stdout;
    throw new WasmeError("failed", "GIT_FAILED", `git ${command} failed: ${lineOf(stderr)}`);
  }
}

const OF_ANOTHER_REPOSITORY =
  /^GIT_(?:DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR|NAMESPACE|PREFIX|CONFIG_PARAMETERS)$/u;

const QUIET: Env = {
  LC_ALL: "C",
  GIT_TERMINAL_PROMPT: "0",
  GIT_ASKPASS: "",
  SSH_ASKPASS_REQUIRE: "never",
  GCM_INTERACTIVE: "never",
  GIT_LFS_SKIP_SMUDGE: "1",
  GIT_ALLOW_PROTOCOL: "https:ssh:file:http:git",
};

/** Looks at names, kinds and sizes before a byte is written. Gives what is no file. */
function inspect(source: GitSource, listing: string): readonly ForeignEntry[] {
  const rows = listing.split("\0").filter((row) => row !== "");
  if (rows.length > 4 * MAX_FILES) throw tooLarge(source.url, `more than ${MAX_FILES} files`);
  const foreign: ForeignEntry[] = [];
  let total = 0;
  for (const row of rows) {
    const [facts, path] = splitOnce(row, "\t");
    const [mode = "", , , size = "0"] = facts.split(/ +/u);
    if (mode === "120000") foreign.push({ path, what: "a link" });
    else if (mode === "160000") foreign.push({ path, what: "a submodule" });
    total += Number(size) || 0;
  }
  // Files that are left out later count here, too: they are written down for a moment.
  if (total > 4 * MAX_TOTAL) throw tooLarge(source.url, `its files have more than ${MAX_TOTAL} bytes together`);
  return foreign;
}

function splitOnce(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function fetchError(source: GitSource, { stderr, failure }: RunResult): Error {
  const { url, ref } = source;
  if (failure === "ETIMEDOUT") {
    return unreachable(url, `git fetch took longer than ${FETCH_MS / 1000} s`);
  }
  const said = lineOf(stderr);
  if (ref !== undefined && /couldn't find remote ref|not our ref|no such remote ref/iu.test(stderr)) {
    return new WasmeError(
      "not-found",
      "TEMPLATE_NOT_FOUND",
      `${url} has no branch, tag or commit ${JSON.stringify(ref)}`,
      {
        hint: `git ls-remote ${url} lists what there is`,
      },
    );
  }
  if (
    /could not resolve|failed to connect|connection refused|timed out|unable to connect|unreachable|early EOF|hung up/iu.test(
      stderr,
    )
  ) {
    return unreachable(url, said);
  }
  if (
    /authentication failed|terminal prompts disabled|could not read username|permission denied|\b40[13]\b/iu.test(
      stderr,
    )
  ) {
    return new WasmeError("unauthorised", "TEMPLATE_UNAUTHORISED", `cannot read ${url}: ${said}`, {
      hint: "give git access first (a credential helper, an ssh key), or clone it and name the folder: --template ./FOLDER",
    });
  }
  return new WasmeError("not-found", "TEMPLATE_NOT_FOUND", `cannot fetch ${url}: ${said}`, {
    hint: "check the address with git ls-remote",
  });
}

function unreachable(url: string, why: string): Error {
  return new WasmeError("unreachable", "TEMPLATE_UNREACHABLE", `cannot reach ${url}: ${why}`, {
    hint: "check the address and the network, and try again",
  });
}

function noFolder({ url, folder }: GitSource): Error {
  return new WasmeError("not-found", "TEMPLATE_NOT_FOUND", `${url} has no folder ${JSON.stringify(folder ?? "")}`, {
    hint: "URL//folder#ref names a folder of the repository",
  });
}

/** What git says, in one line: the first of its words that is no banner of the remote's. */
function lineOf(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim());
  const first = lines.find((line) => line !== "" && !/^(?:remote|warning|hint):/iu.test(line)) ?? "";
  return first.replace(/^(?:fatal|error): /u, "").slice(0, 300);
}
