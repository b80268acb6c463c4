import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseImageReference as ref } from "../../src/domain/image-reference.ts";
import { importImage, type ImportResult } from "../../src/images/import-image.ts";
import { listImages } from "../../src/images/list-images.ts";
import { removeImages } from "../../src/images/remove-image.ts";
import { tagImage } from "../../src/images/tag-image.ts";
import { writeFileAtomic } from "../../src/platform/atomic-file.ts";
import { openStore } from "../../src/store/image-store.ts";
import { writeModule } from "../support/modules.ts";
import { tempDir } from "../support/temp-dir.ts";
import { fillDisk, mountTmpfs } from "../support/tmpfs.ts";

function importFile(dir: string, file: string, name: string): Promise<ImportResult> {
  return importImage({ store: openStore(dir) }, { file, reference: ref(name), check: true });
}

describe("a full disk", () => {
  it("is told as such, leaves no half-done work, and everything works again with room", async (context) => {
    const { dir } = mountTmpfs(context, "1m");
    const images = join(dir, "images");
    const sources = tempDir();
    await importFile(images, writeModule(sources, "small.wasm", 2000), "small:v1");
    const ballast = join(dir, "ballast");
    writeFileSync(ballast, randomBytes(600_000));
    const large = writeModule(sources, "large.wasm", 700_000);
    expect(() => writeFileSync(join(dir, "plain"), readFileSync(large))).toThrow("ENOSPC");
    writeFileSync(join(dir, "plain"), "");

    const failure = importFile(images, large, "large:v1");
    await expect(failure).rejects.toMatchObject({
      code: "DISK_FULL",
      kind: "failed",
      message: expect.stringContaining(images),
    });
    expect(readdirSync(join(images, "ingest"))).toEqual([]);
    expect(existsSync(join(images, "index.lock"))).toBe(false);
    expect((await listImages({ store: openStore(images) })).images).toMatchObject([{ tag: "v1", state: "ok" }]);

    writeFileSync(ballast, "");
    await importFile(images, large, "large:v1");
    expect((await listImages({ store: openStore(images) })).images).toHaveLength(2);
  });

  it("keeps the old index when the new one does not fit", async (context) => {
    const { dir } = mountTmpfs(context, "1m");
    const images = join(dir, "images");
    await importFile(images, writeModule(tempDir(), "small.wasm", 2000), "small:v1");
    const store = openStore(images);
    fillDisk(dir);
    await expect(tagImage({ store }, { source: ref("small:v1"), target: ref("other:v1") })).rejects.toMatchObject({
      code: "DISK_FULL",
    });
    expect((await listImages({ store })).images).toMatchObject([{ tag: "v1", state: "ok" }]);
    expect(readdirSync(images).filter((name) => name.startsWith("."))).toEqual([]);
    expect(existsSync(join(images, "index.lock"))).toBe(false);
  });

  it("does not cost a file that is replaced", async (context) => {
    const { dir } = mountTmpfs(context, "1m");
    await writeFileAtomic(join(dir, "file"), "old");
    await expect(writeFileAtomic(join(dir, "file"), randomBytes(2_000_000))).rejects.toMatchObject({
      code: "DISK_FULL",
    });
    expect(readFileSync(join(dir, "file"), "utf8")).toBe("old");
    expect(readdirSync(dir)).toEqual(["file"]);
  });
});

describe("a read-only disk", () => {
  it("can be read, and refuses changes in one sentence", async (context) => {
    const { dir, remount } = mountTmpfs(context, "4m");
    const images = join(dir, "images");
    const file = writeModule(tempDir(), "small.wasm", 2000);
    const { manifestDigest } = await importFile(images, file, "small:v1");
    remount("ro");
    expect(() => writeFileSync(join(dir, "plain"), "")).toThrow("EROFS");
    const store = openStore(images);
    const readOnly = { code: "READ_ONLY", kind: "failed" };
    expect((await listImages({ store })).images).toMatchObject([{ manifestDigest, state: "ok" }]);
    await expect(tagImage({ store }, { source: ref("small:v1"), target: ref("b:v1") })).rejects.toMatchObject(readOnly);
    await expect(importFile(images, writeModule(tempDir(), "b.wasm", 2000), "b:v1")).rejects.toMatchObject(readOnly);
    await expect(removeImages({ store }, { references: ["small:v1"] })).rejects.toMatchObject(readOnly);
    await expect(importFile(join(dir, "new"), file, "small:v1")).rejects.toMatchObject(readOnly);
    remount("rw");
    await tagImage({ store }, { source: ref("small:v1"), target: ref("b:v1") });
  });
});
