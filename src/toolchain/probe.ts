import { mkdir, mkdtemp, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { digestOf } from "../domain/digest.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { writeFileAtomic, writeError } from "../platform/atomic-file.ts";
import type { Env } from "../platform/env.ts";
import type { ToolchainDeps } from "./runner.ts";

/** A question to a tool: can it build these three lines? */
export interface Probe {
  /** The program, absolute: see `findTool`. */
  readonly tool: string;
  /** Names the question, and holds what its answer hangs on beside the tool itself and the arguments: a sysroot's path. */
  readonly key: string;
  /** Written into an empty folder, which is the working directory: name and text. */
  readonly files: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  /** A file that has to be in the folder afterwards; the exit code alone decides when absent. */
  readonly output?: string;
  /** How the tool tells its version; its first line is kept with the verdict. */
  readonly versionArgs?: readonly string[];
  /** Instead of the environment of `deps`. */
  readonly env?: Env;
}

/** What a tool can do. */
export interface Verdict {
  readonly ok: boolean;
  /** The first line it printed for `versionArgs`; empty when it was not asked. */
  readonly version: string;
  /** What it printed when it could not, the last 2000 characters. */
  readonly said: string;
}

/**
 * Compiles three lines with a tool to learn whether it can build filters. A good verdict is kept in
 * `$WASME_HOME/cache/probes.json` for as long as the tool's file (path, time, size) and the question stay the same; a bad one is not:
 * what was missing may be installed without a change of the tool. Throws the signal's reason, `DISK_FULL` and the like
 * when the temporary folder cannot be made; a cache that cannot be read or written only costs time.
 */
export async function probe(deps: ToolchainDeps, question: Probe): Promise<Verdict> {
  const file = join(deps.paths.home, "cache", "probes.json");
  const key = await keyOf(question);
  const kept = (await readVerdicts(file))[key.name];
  if (kept !== undefined && kept.stamp === key.stamp) return { ok: true, version: kept.version, said: "" };
  const verdict = await ask(deps, question);
  if (verdict.ok) await keep(file, key, verdict.version);
  return verdict;
}

/** `name` stays when the tool is replaced, so that its entry is overwritten and nothing piles up; `stamp` does not. */
interface Key {
  readonly name: string;
  readonly stamp: string;
}

interface Kept {
  readonly stamp: string;
  readonly version: string;
  /** When it was found out, in milliseconds: the oldest are dropped first. */
  readonly at: number;
}

async function keyOf({ tool, key, files, args }: Probe): Promise<Key> {
  const real = await realpath(tool).catch(() => tool);
  const found = await stat(real, { bigint: true }).catch(() => undefined);
  const stamp = [real, found?.mtimeNs, found?.size, digestOf(JSON.stringify([files, args]))].join(" ");
  return { name: `${key} ${tool}`, stamp };
}

async function ask(deps: ToolchainDeps, question: Probe): Promise<Verdict> {
  const { tool, files, args, output, versionArgs } = question;
  const env = question.env ?? deps.env;
  const folder = await temporaryFolder(deps.paths.tmp);
  try {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), text);
    }
    const options = { cwd: folder, env, signal: deps.signal, timeoutMs: TIMEOUT };
    const result = await deps.exec(tool, args, options);
    const made = output === undefined || (await stat(join(folder, output)).catch(() => undefined))?.isFile() === true;
    const ok = result.exitCode === 0 && made;
    const said = ok ? "" : `${result.stdout}${result.stderr}`.trim().slice(-2000) || (result.failure ?? "");
    if (versionArgs === undefined) return { ok, version: "", said };
    const { stdout, stderr } = await deps.exec(tool, versionArgs, options);
    return { ok, version: (stdout.trim() || stderr.trim()).split("\n", 1)[0] ?? "", said };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function temporaryFolder(tmp: string): Promise<string> {
  const prefix = join(tmp, "wasme-probe-");
  try {
    return await mkdtemp(prefix);
  } catch (error) {
    throw writeError(error, prefix);
  }
}

/**
 * Two processes may do this at once: each renames a whole file into place, and what one of them loses is found out
 * again. Entries of tools that are gone are left out.
 */
async function keep(file: string, { name, stamp }: Key, version: string): Promise<void> {
  const known = Object.entries(await readVerdicts(file)).filter(([other]) => other !== name);
  const there = await Promise.all(known.map(async ([, item]) => await isThere(item)));
  const others = known.filter((_, index) => there[index] === true);
  const newest = others.toSorted(([, a], [, b]) => b.at - a.at).slice(0, MOST - 1);
  const all = Object.fromEntries([...newest, [name, { stamp, version, at: Date.now() }]]);
  await writeFileAtomic(file, `${JSON.stringify(all, undefined, 2)}\n`).catch(() => undefined);
}

/** Whether the tool of an entry still is the one it was. */
async function isThere({ stamp }: Kept): Promise<boolean> {
  const match = /^(.*) (\d+) (\d+) \S+$/u.exec(stamp);
  if (match === null) return false;
  const found = await stat(match[1] ?? "", { bigint: true }).catch(() => undefined);
  return found !== undefined && String(found.mtimeNs) === match[2] && String(found.size) === match[3];
}

async function readVerdicts(file: string): Promise<Readonly<Record<string, Kept>>> {
  const value = tryParseJson(await readFile(file, "utf8").catch(() => ""));
  if (!isObject(value)) return {};
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, Kept] => isKept(entry[1])));
}

function isKept(value: unknown): value is Kept {
  if (!isObject(value)) return false;
  const { stamp, version, at } = value;
  return typeof stamp === "string" && typeof version === "string" && typeof at === "number";
}

/** A compiler's first call may be slow (npm clang: 20 s on a busy machine); one that hangs must not hang us. */
const TIMEOUT = 120_000;

/** Entries kept. */
const MOST = 64;
