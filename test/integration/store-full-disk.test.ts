import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseImageReference as ref } from "../../src/domain/image-reference.ts";
import { importImage } from "../../src/images/import-image.ts";
import { loadImages } from "../../src/images/load-image.ts";
import { migrateStore } from "../../src/images/migrate-store.ts";
import { pruneStore } from "../../src/images/prune-store.ts";
import { pullImage } from "../../src/images/pull-image.ts";
import { pushImage } from "../../src/images/push-image.ts";
import { saveImages } from "../../src/images/save-image.ts";
import { tagImage } from "../../src/images/tag-image.ts";
import { verifyStore } from "../../src/images/verify-store.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import { type ImageStore, openStore } from "../../src/store/image-store.ts";
import { chunked } from "../support/archives.ts";
import { type HubServer, startHub } from "../support/hub.ts";
import { writeLegacyImage } from "../support/legacy-store.ts";
import { writeModule } from "../support/modules.ts";
import { makeTempDir, tempDir } from "../support/temp-dir.ts";
import { fillDisk, mountTmpfs } from "../support/tmpfs.ts";

/** The image every way into the store brings: larger than the room there is. */
const SIZE = 700_000;

const work = makeTempDir("wasme-full-");
const outside = openStore(join(work, "images"));
const archive = join(work, "large.tar");
let hub: HubServer;
let registry: RegistryClient;
let large: string;

beforeAll(async () => {
  hub = await startHub();
  registry = createRegistryClient({ env: {} });
  large = `${hub.host}/full/large:v1`;
  const file = writeModule(work, "large.wasm", SIZE);
  await importImage({ store: outside }, { file, reference: ref(large), check: true });
  await pushImage({ store: outside, registry }, { reference: ref(large) });
  await saveImages({ store: outside }, { references: [large], target: { file: archive } });
  writeLegacyImage(join(work, "old"), large, { module: readFileSync(file), config: "{}" });
});
afterAll(async () => {
  registry.close();
  await hub.close();
  rmSync(work, { recursive: true, force: true });
});

const ways: readonly (readonly [string, (store: ImageStore) => Promise<unknown>])[] = [
  ["pull", (store) => pullImage({ store, registry }, { reference: ref(large) })],
  ["load", (store) => loadImages({ store }, { chunks: chunked(readFileSync(archive), 60_000), title: "large.tar" })],
  ["migrate", (store) => migrateStore({ store }, { from: join(work, "old"), force: true, dryRun: false })],
];

async function importSmall(store: ImageStore): Promise<void> {
  const file = writeModule(tempDir(), "small.wasm", 2000);
  await importImage({ store }, { file, reference: ref("small:v1"), check: true });
}

/** Nothing half-done: no unfinished file, no lock, and every name is whole. */
async function expectWhole(store: ImageStore, names: readonly string[]): Promise<void> {
  const { entries, faults, unfinished } = await store.audit();
  expect({ faults, unfinished: unfinished.files, damaged: entries.filter((each) => each.faults.length > 0) }).toEqual({
    faults: [],
    unfinished: 0,
    damaged: [],
  });
  expect(entries.map(({ reference }) => reference).toSorted()).toEqual(names.toSorted());
  expect(existsSync(join(store.dir, "index.lock"))).toBe(false);
}

describe("a full disk", () => {
  it.for(ways)("lets %s fail in one sentence and lose nothing; with room it works", async ([_way, run], context) => {
    const { dir } = mountTmpfs(context, "1m");
    const store = openStore(join(dir, "images"));
    await importSmall(store);
    const ballast = join(dir, "ballast");
    writeFileSync(ballast, randomBytes(600_000));
    expect(() => writeFileSync(join(dir, "plain"), randomBytes(SIZE))).toThrow("ENOSPC");
    rmSync(join(dir, "plain"));
    await expect(run(store)).rejects.toMatchObject({
      code: "DISK_FULL",
      kind: "failed",
      message: expect.stringContaining(store.dir),
      hint: expect.stringContaining("free some space"),
    });
    await expectWhole(store, ["docker.io/library/small:v1"]);
    rmSync(ballast);
    await run(store);
    await expectWhole(store, ["docker.io/library/small:v1", large]);
  });

  it("lets save leave the old archive, and push and verify work all the same", async (context) => {
    const { dir } = mountTmpfs(context, "2m");
    const store = openStore(join(dir, "images"));
    await pullImage({ store, registry }, { reference: ref(large) });
    const file = join(dir, "out/saved.tar");
    mkdirSync(join(dir, "out"));
    writeFileSync(file, "the old one");
    writeFileSync(join(dir, "ballast"), randomBytes(700_000));
    expect(() => writeFileSync(join(dir, "plain"), randomBytes(SIZE))).toThrow("ENOSPC");
    rmSync(join(dir, "plain"));
    const save = { references: [large], target: { file } };
    await expect(saveImages({ store }, save)).rejects.toMatchObject({ code: "DISK_FULL" });
    expect(readFileSync(file, "utf8")).toBe("the old one");
    expect(readdirSync(join(dir, "out"))).toEqual(["saved.tar"]);
    fillDisk(dir);
    expect(await pushImage({ store, registry }, { reference: ref(large) })).toMatchObject({ unchanged: true });
    expect(await verifyStore({ store }, { references: [] })).toMatchObject({ ok: true });
    const tag = { source: ref(large), target: ref("other:v1") };
    await expect(tagImage({ store }, tag)).rejects.toMatchObject({ code: "DISK_FULL" });
    await expectWhole(store, [large]);
    for (const name of readdirSync(dir)) if (/^(?:ballast|fill)/u.test(name)) rmSync(join(dir, name));
    await saveImages({ store }, save);
    expect(readFileSync(file).equals(readFileSync(archive))).toBe(true);
    await tagImage({ store }, tag);
  });
});

describe("a read-only disk", () => {
  it("lets verify, save, push and a dry clean-up work, and refuses the others in one sentence", async (context) => {
    const { dir, remount } = mountTmpfs(context, "4m");
    const store = openStore(join(dir, "images"));
    await pullImage({ store, registry }, { reference: ref(large) });
    remount("ro");
    expect(() => writeFileSync(join(dir, "plain"), "")).toThrow("EROFS");
    expect(await verifyStore({ store }, { references: [] })).toMatchObject({ ok: true });
    expect(await pruneStore({ store }, { graceMs: 0, dryRun: true })).toMatchObject({ removed: [] });
    const target = { file: join(tempDir(), "saved.tar") };
    await saveImages({ store }, { references: [large], target });
    expect(readFileSync(target.file).equals(readFileSync(archive))).toBe(true);
    expect(await pushImage({ store, registry }, { reference: ref(large) })).toMatchObject({ unchanged: true });
    const readOnly = { code: "READ_ONLY", kind: "failed" };
    await expect(pruneStore({ store }, { graceMs: 0, dryRun: false })).rejects.toMatchObject(readOnly);
    for (const [, run] of ways) await expect(run(openStore(join(dir, "new")))).rejects.toMatchObject(readOnly);
    const inside = { file: join(dir, "saved.tar") };
    await expect(saveImages({ store }, { references: [large], target: inside })).rejects.toMatchObject(readOnly);
    const old = { from: join(work, "old"), force: false, dryRun: true };
    expect(await migrateStore({ store }, old)).toMatchObject({ images: [{ state: "kept" }] });
  });
});
