import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, type TestContext } from "vitest";
import { parseImageReference as ref } from "../../src/domain/image-reference.ts";
import { convertImage } from "../../src/images/convert-image.ts";
import { importImage } from "../../src/images/import-image.ts";
import { pushImage, type PushResult } from "../../src/images/push-image.ts";
import { type ImageStore, openStore } from "../../src/store/image-store.ts";
import { failure } from "../support/failure.ts";
import { writeModule } from "../support/modules.ts";
import { type StoreRegistry, storeRegistry } from "../support/store-registry.ts";
import { tempDir } from "../support/temp-dir.ts";
import { fillDisk, mountTmpfs, type Tmpfs } from "../support/tmpfs.ts";

let registry: StoreRegistry;

beforeEach(() => {
  registry = storeRegistry(tempDir());
});

async function storeOn(
  context: TestContext,
  size: string,
): Promise<{ readonly store: ImageStore; readonly disk: Tmpfs; readonly digest: string }> {
  const disk = mountTmpfs(context, size);
  const store = openStore(join(disk.dir, "images"));
  const file = writeModule(tempDir(), "module.wasm", 1_000_000);
  await importImage({ store }, { file, reference: ref("h.io/a:v1"), check: true });
  const elsewhere = openStore(tempDir());
  await importImage({ store: elsewhere }, { file, reference: ref("h.io/a:v1"), check: true });
  const digest = (await push(elsewhere, storeRegistry(tempDir()))).manifestDigest;
  return { store, disk, digest };
}

const push = async (store: ImageStore, to = registry): Promise<PushResult> =>
  await pushImage({ store, registry: to }, { reference: ref("h.io/a:v1"), format: "compat" });

describe("packing where the disk refuses", () => {
  it("pushes the same image from a read-only store", async (context) => {
    const { store, disk, digest } = await storeOn(context, "4m");
    disk.remount("ro");
    expect(() => writeFileSync(join(disk.dir, "x"), "")).toThrow("EROFS");
    expect(await push(store)).toMatchObject({ manifestDigest: digest, unchanged: false });
    const plain = await pushImage({ store, registry }, { reference: ref("h.io/a:v1") });
    expect(plain).toMatchObject({ format: "oci", unchanged: false });
    const request = { source: ref("h.io/a:v1"), target: ref("h.io/b:v1"), format: "compat" } as const;
    expect(await failure(convertImage({ store }, request))).toMatchObject({ code: "READ_ONLY" });
  });

  it("pushes the same image from a store on a full disk, and leaves nothing", async (context) => {
    const { store, disk, digest } = await storeOn(context, "4m");
    fillDisk(disk.dir);
    const before = readdirSync(join(store.dir, "ingest"));
    expect(await push(store)).toMatchObject({ manifestDigest: digest, unchanged: false });
    expect(readdirSync(join(store.dir, "ingest"))).toEqual(before);
    const request = { source: ref("h.io/a:v1"), target: ref("h.io/b:v1"), format: "compat" } as const;
    expect(await failure(convertImage({ store }, request))).toMatchObject({ code: "DISK_FULL" });
    expect(await store.names()).toHaveLength(1);
  });

  it("gives up the file where the disk fills half-way", async (context) => {
    const { store, disk, digest } = await storeOn(context, "2m");
    // What is left is less than the layer.
    const rest = join(disk.dir, "rest");
    writeFileSync(rest, Buffer.alloc(600_000));
    expect(() => writeFileSync(join(disk.dir, "more"), Buffer.alloc(1_000_000))).toThrow("ENOSPC");
    rmSync(join(disk.dir, "more"));
    expect(await push(store)).toMatchObject({ manifestDigest: digest });
    expect(() => writeFileSync(join(disk.dir, "again"), Buffer.alloc(300_000))).not.toThrow();
  });

  it("does without the folder where a file is in its place", async (context) => {
    const { store, digest } = await storeOn(context, "4m");
    rmSync(join(store.dir, "ingest"), { recursive: true });
    writeFileSync(join(store.dir, "ingest"), "");
    expect(await push(store)).toMatchObject({ manifestDigest: digest });
    rmSync(join(store.dir, "ingest"));
    mkdirSync(join(store.dir, "ingest"));
    expect(await push(store)).toMatchObject({ manifestDigest: digest, unchanged: true });
  });
});
