import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseManifest, readManifests } from "../../../src/deploy/read-manifests.ts";

const MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n";

describe("readManifests", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "wasme-read-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const read = (sources: readonly string[], stdin = ""): ReturnType<typeof readManifests> =>
    readManifests({ cwd: folder, readStdin: async () => stdin }, sources);

  it("reads files, the files of a folder in order, and stdin", async () => {
    await mkdir(join(folder, "dir", "deeper"), { recursive: true });
    await writeFile(join(folder, "one.yaml"), MAP);
    await writeFile(join(folder, "dir", "b.yml"), MAP.replace("one", "b"));
    await writeFile(join(folder, "dir", "a.json"), '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}');
    await writeFile(join(folder, "dir", "notes.txt"), "not a manifest");
    await writeFile(join(folder, "dir", "deeper", "c.yaml"), MAP);
    const found = await read(["one.yaml", "dir", "-"], `---\n${MAP.replace("one", "stdin")}---\n`);
    expect(found.map(({ name, objects }) => [name, ...objects.map((object) => object.metadata.name)])).toEqual([
      ["one.yaml", "one"],
      ["dir/a.json", "a"],
      ["dir/b.yml", "b"],
      ["-", "stdin"],
    ]);
  });

  it("counts a List as its items, and reads words as kubectl does", async () => {
    const list =
      "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A, metadata: {name: a}, on: on, mode: 010}\n";
    expect(await parseManifest(list, "list")).toEqual([
      { apiVersion: "v1", kind: "A", metadata: { name: "a" }, true: true, mode: 8 },
    ]);
  });

  it.each([
    ["a file that is not there", "gone.yaml", "MANIFEST_MISSING"],
    ["an empty folder", ".", "MANIFEST_MISSING"],
  ])("refuses %s", async (_, source, code) => {
    await expect(read([source])).rejects.toMatchObject({ kind: "usage", code });
  });

  it.each([
    ["broken YAML, with the line", `${MAP}---\na: [\n`, /line \d/u],
    ["what is no object", "just text", /document 1.*not a Kubernetes object/u],
    ["aliases that explode", bomb(), /alias/iu],
    ["an anchor that holds itself", "apiVersion: v1\nkind: Pod\nmetadata: &a {name: a, b: *a}\n", /circular/u],
    ["an object without a name", "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a}\n", /metadata\.name/u],
  ])("refuses %s", async (_, text, why) => {
    await expect(parseManifest(text, "m.yaml")).rejects.toMatchObject({
      kind: "usage",
      code: "MANIFEST_INVALID",
      message: expect.stringMatching(why) as string,
    });
  });

  it("counts a typed list as its items, with the type they leave out", async () => {
    const text = "apiVersion: apps/v1\nkind: DeploymentList\nmetadata: {}\nitems: [{metadata: {name: a}}]\n";
    expect(await parseManifest(text, "m.yaml")).toEqual([
      { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "a" } },
    ]);
  });

  it("refuses more than anybody means", async () => {
    await expect(parseManifest("#".repeat(16 * 1024 * 1024 + 1), "big")).rejects.toMatchObject({
      code: "MANIFEST_INVALID",
    });
  });
});

function bomb(): string {
  const levels = Array.from({ length: 9 }, (_, level) => {
    const one = level === 0 ? "x" : `*a${level - 1}`;
    return `a${level}: &a${level} [${Array.from({ length: 9 }, () => one).join(", ")}]`;
  });
  return `${MAP}${levels.join("\n")}\n`;
}
