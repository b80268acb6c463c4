import { mkdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type BuildInputs, hashInputs, stampOf } from "../../../src/toolchain/build-inputs.ts";
import { writeTree } from "../../support/fake-program.ts";
import { tempDir } from "../../support/temp-dir.ts";

const TREE = { "a.ts": "1", "b/c.ts": "2", "README.md": "words" };
const onlyTs = (path: string): boolean => path.endsWith(".ts");

async function hash(folder: string, parts: readonly string[] = ["cc 1"]): Promise<BuildInputs["hash"] | undefined> {
  return (await hashInputs({ folder, include: onlyTs, parts }))?.hash;
}

describe("hashInputs", () => {
  it("is the same for the same sources in another folder, whatever else lies there", async () => {
    const [one, two] = [await writeTree(tempDir(), TREE), await writeTree(tempDir(), TREE)];
    await writeTree(two, { ".git/HEAD": "x", "node_modules/x/i.ts": "x", "README.md": "other" });
    expect(await hash(one)).toBe(await hash(two));
  });

  it("changes with every source, its name, and every other part", async () => {
    const folder = await writeTree(tempDir(), TREE);
    const seen = new Set([await hash(folder)]);
    await writeFile(join(folder, "a.ts"), "3");
    seen.add(await hash(folder));
    await writeTree(folder, { "b/d.ts": "" });
    seen.add(await hash(folder));
    await rm(join(folder, "b/c.ts"));
    seen.add(await hash(folder));
    for (const parts of [["cc", " 1"], ["cc 1", ""], []]) seen.add(await hash(folder, parts));
    expect(seen.size).toBe(7);
  });

  it("does not take two files for one whose text looks like both", async () => {
    const one = await writeTree(tempDir(), { "a.ts": "x", "b.ts": "" });
    const two = await writeTree(tempDir(), { "a.ts": "", "b.ts": "x" });
    expect(await hash(one)).not.toBe(await hash(two));
  });

  it("reads links to files, and gives up at links to folders and to nothing", async () => {
    const folder = await writeTree(tempDir(), TREE);
    await symlink("a.ts", join(folder, "l.ts"));
    expect(await hash(folder)).toBeDefined();
    await symlink("b", join(folder, "linked"));
    expect(await hash(folder)).toBeUndefined();
    await rm(join(folder, "linked"));
    await symlink("gone", join(folder, "dead.ts"));
    expect(await hash(folder)).toBeUndefined();
  });
});

describe("stampOf", () => {
  it("changes with a file's time, and is unknown where a link leads out", async () => {
    const folder = await writeTree(tempDir(), { "p/package.json": "{}", ".bin/x": "" });
    const first = await stampOf(folder);
    expect(await stampOf(folder)).toBe(first);
    await utimes(join(folder, "p/package.json"), 5, 5);
    expect(await stampOf(folder)).not.toBe(first);
    await symlink("../p/package.json", join(folder, ".bin/y"));
    expect(await stampOf(folder)).toBeDefined();
    const outside = tempDir();
    await mkdir(join(outside, "pkg"));
    await symlink(join(outside, "pkg"), join(folder, "linked"));
    expect(await stampOf(folder)).toBeUndefined();
    expect(await stampOf(join(folder, "gone"))).toBeUndefined();
  });
});
