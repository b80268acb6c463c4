import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { importsOf } from "../../support/imports.ts";

const root = new URL("../../../src/", import.meta.url).pathname;

/** Names that only Node has, and clocks, timers and luck, all of which are given to the host from outside. */
const FOREIGN =
  /\b(?:process|performance|setTimeout|setInterval|setImmediate|queueMicrotask|require|console|__dirname|Date\.now|Math\.random)\b|new Date\(\)/u;
/** The one way to a name of Node: as a field of `globalThis` that may be absent. */
const GUARDED = /\{ Buffer: \w+ \} = globalThis\b/u;

/** Everything `wasme/host` loads: files by name, with what they import that is no file of ours. */
function reachable(entry: string): Map<string, string[]> {
  const files = new Map<string, string[]>();
  const open = [entry];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (files.has(file)) continue;
    const imports = importsOf(root, file);
    files.set(
      file,
      imports.flatMap(({ specifier, target }) => (target === undefined && !specifier.includes(" ") ? [specifier] : [])),
    );
    for (const { target } of imports) if (target !== undefined) open.push(target);
  }
  return files;
}

/** Lines of code that use what a browser has not, or what the host is to be given. */
function foreignLines(text: string): string[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//gu, "").replaceAll(/\/\/.*$/gmu, "");
  const bare = code.replaceAll(/"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|`[^`]*`/gu, '""');
  return bare.split("\n").filter((line) => FOREIGN.test(line) || (/\bBuffer\b/u.test(line) && !GUARDED.test(line)));
}

describe("wasme/host", () => {
  const files = reachable("host.ts");

  it("reaches no import of Node or of a package", () => {
    expect(files.size).toBeGreaterThan(60);
    const outside = Array.from(files).filter(([, imports]) => imports.length > 0);
    expect(outside).toEqual([]);
  });

  it("uses no name of Node, no clock, no timer, no luck of its own", () => {
    const found = Array.from(files.keys()).flatMap((file) =>
      foreignLines(readFileSync(join(root, file), "utf8")).map((line) => `${file}: ${line.trim()}`),
    );
    expect(found).toEqual([]);
  });

  it("would be found out", () => {
    expect(importsOf(root, "host.ts", 'import "node:fs";').map(({ specifier }) => specifier)).toEqual(["node:fs"]);
    expect(foreignLines("const now = Date.now();\nBuffer.from(x);\nprocess.exit();")).toHaveLength(3);
    expect(
      foreignLines('// Date.now()\nconst text = "process";\nconst { Buffer: maker } = globalThis as unknown;'),
    ).toEqual([]);
    expect(
      Array.from(reachable("index.ts").values())
        .flat()
        .some((name) => name.startsWith("node:")),
    ).toBe(true);
  });
});
