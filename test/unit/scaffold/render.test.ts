import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadCatalogue } from "../../../src/scaffold/catalogue.ts";
import { packageName } from "../../../src/scaffold/project-name.ts";
import { renderTemplate } from "../../../src/scaffold/render.ts";
import { drawTree } from "../../../src/scaffold/tree.ts";
import { tempDir } from "../../support/temp-dir.ts";

describe("packageName", () => {
  it.each([
    ["my-filter", "my-filter"],
    ["My Filter (2)", "my-filter-2"],
    ["Überfilter", "u-berfilter"],
    [".hidden", "hidden"],
    ["_private", "private"],
    ["日本", "filter"],
    ["node_modules", "filter"],
  ])("makes %s to %s", (folder, name) => {
    expect(packageName(folder)).toBe(name);
  });
});

describe("renderTemplate", () => {
  it("fills the name in without touching anything else of the text", async () => {
    const folder = tempDir();
    await mkdir(join(folder, "sub/node_modules"), { recursive: true });
    const text = '{\n  "name": "filter",\n  "x": { "name": "filter" }\n}\n';
    await writeFile(join(folder, "package.json"), text);
    await writeFile(join(folder, "sub/package.json"), text);
    await writeFile(join(folder, "sub/_gitignore"), "build/\n");
    await writeFile(join(folder, "sub/node_modules/x.js"), "");
    const files = await renderTemplate([folder], { name: "new", platform: undefined });
    expect(files.map((file) => file.path)).toEqual(["package.json", "sub/.gitignore", "sub/package.json"]);
    expect(String(files[0]?.bytes)).toBe('{\n  "name": "new",\n  "x": { "name": "filter" }\n}\n');
    expect(String(files[2]?.bytes)).toBe(text);
  });

  it("appends the platform to a README that is there", async () => {
    const folder = tempDir();
    await writeFile(join(folder, "README.md"), "# Mine\n");
    const [readme] = await renderTemplate([folder], { name: "n", platform: "gloo" });
    expect(String(readme?.bytes)).toMatch(/^# Mine\n\n## Platform\n\nStarted with gloo in mind/u);
  });
});

describe("drawTree", () => {
  it("puts folders first and counts what is too deep", () => {
    expect(drawTree(["b.txt", "a/x/1", "a/x/2", "a/y.txt", "a.txt"])).toEqual([
      "a/",
      "  x/ (2 files)",
      "  y.txt",
      "a.txt",
      "b.txt",
    ]);
  });
});

describe("the catalogue", () => {
  it("has at least one template in every language, each a folder of files with a runtime config", async () => {
    const catalogue = await loadCatalogue();
    expect(catalogue.map((language) => language.name)).toContain("assemblyscript");
    for (const template of catalogue.flatMap((language) => language.templates)) {
      const files = await renderTemplate(template.folders, { name: "n", platform: undefined });
      expect(files.map((file) => file.path)).toContain("runtime-config.json");
    }
  });
});
