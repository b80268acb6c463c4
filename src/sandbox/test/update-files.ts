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

/**
 * Writes what came into the test files where something else was expected. Comments and the rest of the file stay as they
 * are; a file run over a matrix is changed by the first combination that says so.
 */
export async function updateFiles(cwd: string, run: TestRun): Promise<UpdateResult> {
  const { isMap, isScalar, parseDocument } = await import("yaml");
  const blocks: { readonly path: string; readonly lines: readonly string[] }[] = [];
  let left = 0;
  for (const { path } of run.files) {
    const results = run.report.results.filter((result) => result.file === path && isBad(result));
    const changes = new Map<string, Change>();
    for (const failure of results.flatMap(({ failures }) => failures)) {
      const { at, replacement } = failure;
      if (at === undefined || replacement === undefined) left += 1;
      else if (!changes.has(failure.path)) changes.set(failure.path, { at, value: replacement });
    }
    if (changes.size === 0) continue;
    const before = await readTextFile(path, { cwd, what: "test file", limit: MAX_TEST_FILE });
    const document = parseDocument(before);
    for (const { at, value } of changes.values()) {
      const parent: unknown = document.getIn(at.slice(0, -1), true);
      const flow = isMap(parent) && parent.flow === true;
      const old: unknown = document.getIn(at, true);
      if (isScalar(old) && typeof value !== "object") {
        old.value = value;
        // The way it was written belongs to the old value.
        delete old.source;
      } else {
        const node = document.createNode(value);
        if (flow || typeof value === "object") Object.assign(node, { flow: true });
        document.setIn(at, node);
      }
    }
    const after = document.toString({ lineWidth: 0, flowCollectionPadding: before.includes("{ ") });
    await writeFileAtomic(resolve(cwd, path), Buffer.from(after));
    blocks.push({ path, lines: differences(before, after) });
  }
  return { left, text: (style) => describe(blocks, left, style) };
}

/** Lines that are in one text only, as `-` and `+`: files differ in single lines here. */
function differences(before: string, after: string): string[] {
  const [old, now] = [before.split("\n"), after.split("\n")];
  const lines: string[] = [];
  for (let at = 0; at < Math.max(old.length, now.length); at += 1) {
    if (old[at] === now[at]) continue;
    if (old[at] !== undefined) lines.push(`-${at + 1}: ${old[at]}`);
    if (now[at] !== undefined) lines.push(`+${at + 1}: ${now[at]}`);
  }
  return lines;
}

function describe(blocks: readonly { path: string; lines: readonly string[] }[], left: number, style: Style): string {
  const parts = blocks.flatMap(({ path, lines }) => [
    style.bold(path),
    ...lines.map((line) => (line.startsWith("-") ? style.red(line) : style.green(line))),
  ]);
  if (blocks.length === 0) parts.push("No expectation was changed.");
  if (left > 0) parts.push(`${left} ${left === 1 ? "failure" : "failures"} left that no value can mend: wasme test`);
  return parts.join("\n");
}
