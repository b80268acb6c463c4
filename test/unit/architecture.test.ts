import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { breaches, importsOf, sourceFiles } from "../support/imports.ts";
import { floors } from "../support/rooms.mjs";

const root = join(import.meta.dirname, "../../src");
const files = sourceFiles(root);
const imports = files.flatMap((file) => importsOf(root, file));

describe("the house", () => {
  it("was seen: files and imports were scanned", () => {
    expect(files.length).toBeGreaterThan(30);
    expect(imports.length).toBeGreaterThan(files.length);
    for (const room of floors.flat())
      expect(
        files.some((file) => file.startsWith(`${room}/`)),
        room,
      ).toBe(true);
  });

  it("holds the import rule", () => {
    expect(breaches(imports, floors)).toEqual([]);
  });

  it.each([
    ['import { x } from "../cli/main.ts";', "up"],
    ['import type { X } from "../registry/client.ts";', "sideways, type only"],
    ['export type { X } from "../images/list-images.ts";', "re-export"],
    ['const x = await import("../deploy/plan.ts");', "dynamic"],
    ['let x: typeof import("../images/x.ts");', "inside a type"],
    ['import x from "../../test/support/rooms.mjs";', "out of the source folder"],
  ])("finds a planted violation: %s", (line) => {
    expect(breaches(importsOf(root, "store/planted.ts", line), floors)).toHaveLength(1);
  });

  it("allows what points down", () => {
    expect(breaches(importsOf(root, "store/x.ts", 'import { a } from "../domain/errors.ts";'), floors)).toEqual([]);
  });

  it("lets only the terminal touch the standard streams, and nobody the console", () => {
    const allowed = new Set(["platform/terminal.ts"]);
    const touching = files.filter((file) => {
      const text = readFileSync(join(root, file), "utf8");
      return (
        !allowed.has(file) &&
        /\bprocess\.(?:stdout|stderr)\b|\bconsole\.\w+\(/u.test(text.replaceAll(/\/\*[\s\S]*?\*\//gu, ""))
      );
    });
    expect(touching).toEqual([]);
  });

  it("loads heavy packages only by dynamic import", () => {
    const heavy = /^(?:execa|yaml|tar|@kubernetes\/client-node|@inquirer\/.*)$/u;
    const statically = files.flatMap((file) => {
      const text = readFileSync(join(root, file), "utf8");
      return [...text.matchAll(/^import (?!type)[^;]*?from ["']([^"']+)["']/gmu)]
        .map(([, name = ""]) => name)
        .filter((name) => heavy.test(name))
        .map((name) => `${file}: ${name}`);
    });
    expect(statically).toEqual([]);
  });
});
