import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { type CliOptions, type CliResult, runCli } from "./run-cli.ts";

/** What a command that refuses its input must say. */
export interface Refusal {
  readonly exit: number;
  /** The stable code of `-o json`. */
  readonly code: string;
  /** What the one sentence names. */
  readonly says: RegExp | string;
  /** What to type next; `false` when there is nothing to type. Any one line when absent. */
  readonly hint?: RegExp | string | false;
  /** A usage line is shown: mistakes in the command line itself. */
  readonly usage?: boolean;
  /** Files that may be added to those of before: verified content, whose name is its own hash. */
  readonly mayKeep?: RegExp;
  /** Lines the command may print before it fails (`Pulling …`, warnings); none when absent. */
  readonly before?: RegExp;
}

/** How the run is set up; `watch` adds folders that must stay as they are to home and working folder. */
export type RefusalSetting = CliOptions & { readonly watch?: readonly string[] };

/**
 * Runs a command line that must fail, for a person and with `-o json`, and holds both to the rules: exit code, nothing
 * on stdout, one `Error:` sentence, at most one `Hint:` line, one JSON line, and no file made, changed or left over.
 * Gives what the JSON line says.
 */
export async function runRefused(
  args: readonly string[],
  setting: RefusalSetting,
  refusal: Refusal,
): Promise<ErrorLine> {
  const temporary = join(setting.home, ".tmp");
  mkdirSync(temporary, { recursive: true });
  const options = { ...setting, env: { TMPDIR: temporary, ...setting.env } };
  const folders = [setting.home, ...(setting.cwd === undefined ? [] : [setting.cwd]), ...(setting.watch ?? [])];
  const look = (): Record<string, string>[] => folders.map((each) => withoutKept(snapshot(each), refusal.mayKeep));
  const before = look();
  const runs = [args, ["-o", "json", ...args]].map((words) => runCli(words, options));
  const [text, json] = (await Promise.all(runs)) as [CliResult, CliResult];
  expect(look(), "files stay as they are").toEqual(before);
  expect({ exit: text.code, stdout: text.stdout }, text.stderr).toEqual({ exit: refusal.exit, stdout: "" });
  expect({ exit: json.code, stdout: json.stdout }, json.stderr).toEqual({ exit: refusal.exit, stdout: "" });
  expectText(text.stderr, refusal);
  const error = expectJson(json.stderr, refusal);
  expect(text.stderr).toContain(`Error: ${error.message}`);
  return error;
}

/** What stands in the JSON line. */
export interface ErrorLine {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

function expectText(stderr: string, refusal: Refusal): void {
  expect(stderr.endsWith("\n"), `ends with a line break: ${stderr}`).toBe(true);
  // oxlint-disable-next-line no-control-regex -- no terminal, no control characters
  expect(stderr).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f]/u);
  expect(stderr, "no stack").not.toMatch(/^\s+at .*:\d+:\d+/mu);
  expect(stderr, "no errno of the file system").not.toMatch(/^\s+E[A-Z]{3,}: /mu);
  const lines = stderr.trimEnd().split("\n");
  const at = lines.findIndex((line) => line.startsWith("Error: "));
  const sentence = lines[at] ?? "";
  expect(
    lines.filter((line) => /\bError:/u.test(line)),
    stderr,
  ).toHaveLength(1);
  expect(sentence).toMatch(refusal.says);
  for (const line of lines.slice(0, at)) expect(line, stderr).toMatch(refusal.before ?? /^$/u);
  const after = lines.slice(at + 1);
  for (const line of after) expect(line, stderr).toMatch(/^(?: {2}\S|Usage: |Hint: )/u);
  const hints = after.filter((line) => line.startsWith("Hint: "));
  if (refusal.hint === false) expect(hints, stderr).toEqual([]);
  else if (refusal.hint !== undefined || refusal.usage !== true) expect(hints, stderr).toHaveLength(1);
  if (refusal.hint !== undefined && refusal.hint !== false) expect(hints[0]).toMatch(refusal.hint);
  expect(
    after.filter((line) => line.startsWith("Usage: ")),
    stderr,
  ).toHaveLength(refusal.usage === true ? 1 : 0);
}

function expectJson(stderr: string, refusal: Refusal): ErrorLine {
  const lines = stderr.trimEnd().split("\n");
  const objects = lines.filter((line) => line.startsWith("{"));
  expect(objects, stderr).toHaveLength(1);
  expect(lines.at(-1)).toBe(objects[0]);
  expect(stderr).not.toContain("Error:");
  const { error } = JSON.parse(objects[0] ?? "{}") as { error: ErrorLine };
  expect(error.code, error.message).toBe(refusal.code);
  expect(error.message).toMatch(refusal.says);
  return error;
}

function withoutKept(found: Record<string, string>, mayKeep: RegExp | undefined): Record<string, string> {
  const isKept = ([path, hash]: [string, string]): boolean =>
    mayKeep?.test(path) === true && path.slice(path.lastIndexOf("/") + 1).startsWith(hash);
  return Object.fromEntries(Object.entries(found).filter((entry) => !isKept(entry)));
}

/** Every path below a folder with its kind and content's hash. */
export function snapshot(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  const walk = (dir: string, prefix: string): void => {
    for (const name of readdirSync(dir)) {
      const path = join(dir, name);
      const stat = lstatSync(path);
      if (stat.isDirectory()) found[`${prefix}${name}/`] = "folder";
      else if (stat.isSymbolicLink()) found[prefix + name] = `-> ${readlinkSync(path)}`;
      else found[prefix + name] = createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 12);
      if (stat.isDirectory()) walk(path, `${prefix}${name}/`);
    }
  };
  walk(folder, "");
  return found;
}
