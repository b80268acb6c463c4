import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ENV_TABLE } from "../../src/cli/env-table.ts";
import { generateDocs } from "../support/generate-docs.ts";
import { sourceFiles } from "../support/imports.ts";

const root = join(import.meta.dirname, "../..");
const pages = await generateDocs(join(root, "src"));

describe("generated docs", () => {
  it.each([...pages])("docs/reference/%s is what the code says", (name, content) => {
    const path = join(root, "docs/reference", name);
    if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(path, content);
    expect(readFileSync(path, "utf8")).toBe(content);
  });

  it("names every environment variable the code reads", () => {
    const known = new Set(ENV_TABLE.map(({ name }) => name));
    const read = sourceFiles(join(root, "src")).flatMap((file) => {
      const text = readFileSync(join(root, "src", file), "utf8");
      return [
        ...text.matchAll(/(?:env\[|envValue\(\w*(?:\.env)?,\s*|envFlag\(\w*(?:\.env)?,\s*)"([A-Z][A-Z0-9_]+)"/gu),
      ].map(([, name = ""]) => name);
    });
    expect(read.length).toBeGreaterThan(5);
    expect([...new Set(read)].filter((name) => !known.has(name) && !OWN_WORLD.has(name))).toEqual([]);
  });
});

/** Where the operating system is asked for what it always has. */
const OWN_WORLD: ReadonlySet<string> = new Set(["HOME", "PATH", "PATHEXT", "USERPROFILE", "APPDATA"]);
