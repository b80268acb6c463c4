import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { type Digest, digestOf } from "../../../src/domain/digest.ts";
import { type CachedBuild, cachedBuild } from "../../../src/toolchain/build-cache.ts";
import { tempDir } from "../../support/temp-dir.ts";

let home: string;
let made: number;

beforeEach(() => {
  home = tempDir();
  made = 0;
});

const KEY = digestOf("key");
const modulePath = (): string => join(home, "filter.wasm");
const folder = (): string => join(home, "cache", "builds");

async function build(key: Digest | undefined, text = "module", keep = true, limit?: number): Promise<CachedBuild> {
  const make = async (): Promise<{ keep: boolean; notes: Record<string, string> }> => {
    made += 1;
    await writeFile(modulePath(), text);
    return { keep, notes: { optimizer: "none" } };
  };
  return await cachedBuild({ paths: { home, tmp: home } }, { key, modulePath: modulePath() }, make, limit);
}

describe("cachedBuild", () => {
  it("builds once for a key, and gives the same bytes and notes", async () => {
    expect(await build(KEY)).toEqual({ hit: false, notes: { optimizer: "none" } });
    await writeFile(modulePath(), "something else");
    expect(await build(KEY)).toEqual({ hit: true, notes: { optimizer: "none" } });
    expect(await readFile(modulePath(), "utf8")).toBe("module");
    expect(made).toBe(1);
    await build(digestOf("other"));
    expect(made).toBe(2);
  });

  it("always builds what has no key, and keeps nothing that its key does not cover", async () => {
    await build(undefined);
    await build(undefined);
    await build(KEY, "module", false);
    await build(KEY);
    expect(made).toBe(4);
  });

  it.each([
    ["cut off", (bytes: Buffer) => bytes.subarray(0, bytes.length - 1)],
    ["changed", (bytes: Buffer) => Buffer.concat([bytes.subarray(0, bytes.length - 1), Buffer.from("X")])],
    ["empty", () => Buffer.alloc(0)],
    ["no entry at all", () => Buffer.from("{}\nmodule")],
  ])("builds anew when the entry is %s", async (_, damage) => {
    await build(KEY);
    const [name = ""] = await readdir(folder());
    const path = join(folder(), name);
    await writeFile(path, damage(await readFile(path)));
    expect(await build(KEY)).toMatchObject({ hit: false });
    expect(await build(KEY)).toMatchObject({ hit: true });
  });

  it("forgets what was used longest ago when it grows too big", async () => {
    const keys = ["a", "b", "c"].map((name) => digestOf(name));
    const text = "x".repeat(1000);
    for (const [index, key] of keys.entries()) {
      await build(key, text);
      const path = join(folder(), key.slice("sha256:".length));
      await utimes(path, 1000 + index, 1000 + index);
    }
    expect(await build(keys[0])).toMatchObject({ hit: true }); // now the youngest
    await build(digestOf("d"), text, true, 3000);
    expect(await build(keys[0])).toMatchObject({ hit: true });
    expect(await build(keys[1])).toMatchObject({ hit: false });
  });

  it("builds where nothing can be kept, and passes on what the build throws", async () => {
    await mkdir(join(home, "cache"));
    await writeFile(folder(), "a file in the way");
    expect(await build(KEY)).toMatchObject({ hit: false });
    const fail = cachedBuild({ paths: { home, tmp: home } }, { key: digestOf("x"), modulePath: modulePath() }, () =>
      Promise.reject(new Error("no compiler")),
    );
    await expect(fail).rejects.toThrow("no compiler");
  });
});
