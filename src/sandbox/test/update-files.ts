import { resolve } from "node:path";
import type { Json } from "../../domain/json.ts";
import { writeFileAtomic } from "../../platform/atomic-file.ts";
import { readTextFile } from "../../platform/read-file.ts";
import type { Style } from "../../platform/terminal.ts";
import { MAX_TEST_FILE } from "./parse-test-file.ts";
import { isBad, type TestRun } from "./run-tests.ts";

/** What was rewritten. */
export interface UpdateResult {
  /** Failures that no writing of a value can mend. */
  readonly left: number;
  readonly text: (style: Style) => string;
}

interface Change {
  readonly at: readonly (string | number)[];
  readonly value: Json;
}

interface Changed {
  readonly path: string;
  readonly lines: readonly string[];
}

/**
 * Writes what came into the test files where something else was expected. Only the text of those values changes; comments and
 * everything else stay as they are. A file run over a matrix is changed by the first combination that says so.
 */
export async function updateFiles(cwd: string, run: TestRun): Promise<UpdateResult> {
  const files: Changed[] = [];
  let left = 0;
  for (const { path } of run.files) {
    const { changes, others } = changesOf(run, path);
    left += others;
    if (changes.length === 0) continue;
    const before = await readTextFile(path, { cwd, what: "test file", limit: MAX_TEST_FILE });
    const { text, missed } = await rewrite(before, changes);
    left += missed;
    await writeFileAtomic(resolve(cwd, path), Buffer.from(text));
    files.push({ path, lines: differences(before, text) });
  }
  return { left, text: (style) => describe(files, left, style) };
}

function changesOf(
  { report }: TestRun,
  path: string,
): { readonly changes: readonly Change[]; readonly others: number } {
  const changes = new Map<string, Change>();
  let others = 0;
  for (const { file, failures, ...result } of report.results) {
    if (file !== path || !isBad({ file, failures, ...result })) continue;
    for (const { path: place, at, replacement } of failures) {
      if (at === undefined || replacement === undefined) others += 1;
      else if (!changes.has(place)) changes.set(place, { at, value: replacement });
    }
  }
  return { changes: [...changes.values()], others };
}

/** Puts the values in at their places, the last one first, so that the places before stay where they are. */
async function rewrite(
  before: string,
  changes: readonly Change[],
): Promise<{ readonly text: string; readonly missed: number }> {
  const { isNode, isScalar, parseDocument, stringify } = await import("yaml");
  const document = parseDocument(before);
  const edits = changes.flatMap(({ at, value }) => {
    const node: unknown = document.getIn(at, true);
    if (!isNode(node) || node.range === undefined || node.range === null) return [];
    const [start, end] = node.range;
    const list = stringify([isScalar(node) ? likeBefore(node.value, value) : value], {
      collectionStyle: "flow",
      lineWidth: 0,
      flowCollectionPadding: false,
    });
    // A block scalar's end is the line's end, which belongs to the file.
    const tail = before.slice(start, end).endsWith("\n") ? "\n" : "";
    return [{ start, end, text: `${list.trim().slice(1, -1)}${tail}` }];
  });
  let text = before;
  for (const edit of edits.toSorted((a, b) => b.start - a.start)) {
    text = text.slice(0, edit.start) + edit.text + text.slice(edit.end);
  }
  return { text, missed: changes.length - edits.length };
}

/** What was a number stays one. */
function likeBefore(before: unknown, value: Json): Json {
  const isNumber = typeof before === "number" && typeof value === "string" && /^-?\d{1,15}$/u.test(value);
  return isNumber ? Number(value) : value;
}

/** Lines that changed, as `-` and `+` with their numbers. */
function differences(before: string, after: string): string[] {
  const [old, now] = [before.split("\n"), after.split("\n")];
  let end = 0;
  while (end < Math.min(old.length, now.length) && old.at(-1 - end) === now.at(-1 - end)) end += 1;
  if (old.length === now.length) {
    return old.flatMap((line, at) => (line === now[at] ? [] : [`-${at + 1}: ${line}`, `+${at + 1}: ${now[at]}`]));
  }
  let start = 0;
  while (start < Math.min(old.length, now.length) - end && old[start] === now[start]) start += 1;
  return [
    ...old.slice(start, old.length - end).map((line, at) => `-${start + at + 1}: ${line}`),
    ...now.slice(start, now.length - end).map((line, at) => `+${start + at + 1}: ${line}`),
  ];
}

function describe(files: readonly Changed[], left: number, style: Style): string {
  const parts = files.flatMap(({ path, lines }) => [
    style.bold(path),
    ...lines.map((line) => (line.startsWith("-") ? style.red(line) : style.green(line))),
  ]);
  if (files.length === 0) parts.push("No expectation was changed.");
  if (left > 0) parts.push(`${left} ${left === 1 ? "failure" : "failures"} left that no value can mend: wasme test`);
  return parts.join("\n");
}
