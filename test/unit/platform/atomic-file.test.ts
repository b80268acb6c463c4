import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createDraft, makeDirectory, writeFileAtomic } from "../../../src/platform/atomic-file.ts";
import { tempDir } from "../../support/temp-dir.ts";

describe("writeFileAtomic", () => {
  it("writes text and bytes, with the mode asked for whatever the umask, and makes folders", async () => {
    const dir = tempDir();
    const path = join(dir, "a/b/file");
    await writeFileAtomic(path, "text", { mode: 0o666 });
    expect(readFileSync(path, "utf8")).toBe("text");
    expect(statSync(path).mode & 0o777).toBe(0o666);
    await writeFileAtomic(path, Buffer.from([1, 2]), { mode: 0o600 });
    expect([...readFileSync(path)]).toEqual([1, 2]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(dir, "a/b"))).toEqual(["file"]);
  });

  it("never shows half a file to a reader", async () => {
    const path = join(tempDir(), "file");
    const contents = ["a", "b"].map((letter) => letter.repeat(200_000));
    await writeFileAtomic(path, contents[0] ?? "");
    const write = async (): Promise<void> => {
      for (let round = 0; round < 20; round += 1) await writeFileAtomic(path, contents[round % 2] ?? "");
    };
    const state = { writing: true };
    const writer = write().finally(() => (state.writing = false));
    let reads = 0;
    while (state.writing) {
      expect(contents.includes(readFileSync(path, "utf8"))).toBe(true);
      reads += 1;
      await setImmediate();
    }
    await writer;
    expect(reads).toBeGreaterThan(1);
  });

  it("replaces a link instead of writing through it", async () => {
    const dir = tempDir();
    writeFileSync(join(dir, "victim"), "old");
    symlinkSync(join(dir, "victim"), join(dir, "file"));
    await writeFileAtomic(join(dir, "file"), "new");
    expect(readFileSync(join(dir, "victim"), "utf8")).toBe("old");
    expect(readFileSync(join(dir, "file"), "utf8")).toBe("new");
  });

  it("says what is in the way, and leaves nothing behind", async () => {
    const dir = tempDir();
    writeFileSync(join(dir, "file"), "");
    mkdirSync(join(dir, "folder"));
    const blocked = { code: "PATH_BLOCKED", kind: "failed" };
    await expect(writeFileAtomic(join(dir, "file/below"), "x")).rejects.toMatchObject(blocked);
    await expect(writeFileAtomic(join(dir, "folder"), "x")).rejects.toMatchObject(blocked);
    expect(readdirSync(dir).toSorted()).toEqual(["file", "folder"]);
  });
});

describe("a draft", () => {
  it("is invisible until it is committed, and gone when it is discarded", async () => {
    const dir = tempDir();
    const kept = await createDraft(join(dir, "drafts"));
    await kept.handle.writeFile("kept");
    const dropped = await createDraft(join(dir, "drafts"));
    await dropped.handle.writeFile("dropped");
    expect(readdirSync(join(dir, "drafts"))).toHaveLength(2);
    await kept.commit(join(dir, "target/file"), 0o444);
    await kept.discard();
    await dropped.discard();
    expect(readdirSync(join(dir, "drafts"))).toEqual([]);
    expect(readFileSync(join(dir, "target/file"), "utf8")).toBe("kept");
  });
});

describe("makeDirectory", () => {
  it("may be called by many at once", async () => {
    const path = join(tempDir(), "a/b/c/d");
    await Promise.all(Array.from({ length: 20 }, () => makeDirectory(path)));
    expect(statSync(path).isDirectory()).toBe(true);
  });
});
