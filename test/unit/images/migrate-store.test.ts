import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../../src/domain/digest.ts";
import { importImage } from "../../../src/images/import-image.ts";
import { listImages } from "../../../src/images/list-images.ts";
import { parseImageReference as ref } from "../../../src/domain/image-reference.ts";
import { type MigrateResult, migrateStore } from "../../../src/images/migrate-store.ts";
import { type ImageStore, openStore } from "../../../src/store/image-store.ts";
import { vectorModule, writeLegacyImage } from "../../support/legacy-store.ts";
import { HELLO_WASM } from "../../support/modules.ts";
import { tempDir } from "../../support/temp-dir.ts";

const HELLO = readFileSync(HELLO_WASM);
/** As measured with the old tool: `wasme push` of this module and config printed this digest. */
const VECTOR = {
  config:
    '{"type":"envoy_proxy","abiVersions":["v0-4689a30309abf31aee9ae36e73d34b1bb182685f","v0.2.1"],"config":{"rootIds":["add_header"]}}',
  module: "sha256:6f8160e37bbac7cf4f08b042ea510d2ceda511392b8a403e2fc04ae8352b8b99",
  manifest: "sha256:4631037d312085bfacd4ecead9a2c906f2053a754839964e0e996fe312dd015e",
  bare: "sha256:ceceb0ed1762cc5d82b508de47bf9d0fefa60937558613e791b8cc0e51d7f1d9",
};

let old: string;
let store: ImageStore;
beforeEach(() => {
  const dir = tempDir();
  old = join(dir, "store");
  mkdirSync(old);
  store = openStore(join(dir, "images"));
});

function migrate(options: { force?: boolean; dryRun?: boolean } = {}): Promise<MigrateResult> {
  return migrateStore({ store }, { from: old, force: false, dryRun: false, ...options });
}

/** Names, contents and times of all files below a folder. */
function snapshot(dir: string): unknown {
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .toSorted()
    .map((name) => {
      const { mtimeMs, size } = statSync(join(dir, name));
      return [name, mtimeMs, size, statSync(join(dir, name)).isFile() && digestOf(readFileSync(join(dir, name)))];
    });
}

describe("migrateStore", () => {
  it("keeps module, runtime config and the digest the old tool pushed, and when it was stored", async () => {
    const module = vectorModule();
    expect([module.byteLength, digestOf(module)]).toEqual([30_016, VECTOR.module]);
    const folder = writeLegacyImage(old, "localhost:5000/demo/a:v1", { module, config: VECTOR.config });
    writeLegacyImage(old, "docker.io/library/bare:latest", { module, config: "{}" });
    const stored = new Date("2021-04-02T13:06:00.000Z");
    utimesSync(join(folder, "filter.wasm"), stored, stored);
    const before = snapshot(old);
    const dry = await migrate({ dryRun: true });
    expect(await store.entries()).toEqual([]);
    const result = await migrate();
    expect(result.images).toEqual(dry.images);
    expect(result.images.toSorted((a, b) => String(a.reference).localeCompare(String(b.reference)))).toEqual([
      {
        state: "migrated",
        reference: "docker.io/library/bare:latest",
        manifestDigest: VECTOR.bare,
        moduleDigest: VECTOR.module,
      },
      {
        state: "migrated",
        reference: "localhost:5000/demo/a:v1",
        manifestDigest: VECTOR.manifest,
        moduleDigest: VECTOR.module,
      },
    ]);
    expect(snapshot(old)).toEqual(before);
    const { images } = await listImages({ store }, { legacyDir: old });
    expect(images).toMatchObject([
      { reference: "docker.io/library/bare:latest", state: "ok" },
      {
        reference: "localhost:5000/demo/a:v1",
        state: "ok",
        format: "oci",
        moduleDigest: VECTOR.module,
        updated: stored.toISOString(),
      },
    ]);
    expect(await store.audit()).toMatchObject({ faults: [], unnamed: { files: 0 } });
    const again = await migrate();
    expect(again.images.map(({ state }) => state)).toEqual(["unchanged", "unchanged"]);
  });

  it.each([
    ["what Go's encoder escapes", '{"type":"a\\u003cb\\u0026","abiVersions":[],"config":{}}', undefined],
    [
      "a config edited by hand: as the old tool would write it",
      '{ "abi_versions": ["v0.2.1"] }',
      '{"abiVersions":["v0.2.1"]}',
    ],
    ["keys the old tool would refuse: byte for byte", '{ "x": 1, "type": "envoy_proxy" }', undefined],
  ])("carries over %s", async (_case, config, expected) => {
    writeLegacyImage(old, "h.io/a:v1", { module: HELLO, config });
    await migrate();
    const descriptor = await store.resolve("h.io/a:v1");
    if (descriptor === undefined) throw new Error("it is not there");
    const parsed = await store.manifest(descriptor);
    if (parsed.kind === "index") throw new Error("it is an index");
    expect(parsed.manifest.mediaType).toBeUndefined();
    expect(parsed.manifest.layers[0]).toEqual(parsed.manifest.config);
    expect(parsed.manifest.config.digest).toBe(digestOf(expected ?? config));
  });

  it("reports damaged images and takes the others", async () => {
    writeLegacyImage(old, "h.io/good:v1", { module: HELLO, config: "{}" });
    const broken: Record<string, (folder: string) => void> = {
      "h.io/altered:v1": (folder) =>
        writeFileSync(
          join(folder, "filter.wasm"),
          HELLO.map((byte) => byte ^ 1),
        ),
      "h.io/cut:v1": (folder) => writeFileSync(join(folder, "filter.wasm"), HELLO.subarray(1)),
      "h.io/no-module:v1": (folder) => rmSync(join(folder, "filter.wasm")),
      "h.io/no-config:v1": (folder) => rmSync(join(folder, "runtime-config.json")),
      "h.io/bad-config:v1": (folder) => writeFileSync(join(folder, "runtime-config.json"), '{"type":1}'),
      "h.io/no-descriptor:v1": (folder) => rmSync(join(folder, "descriptor.json")),
      "h.io/bad-descriptor:v1": (folder) => writeFileSync(join(folder, "descriptor.json"), "{"),
      "h.io/renamed:v1": (folder) => writeFileSync(join(folder, "image_ref"), "h.io/other:v1"),
      "h.io/no-name:v1": (folder) => rmSync(join(folder, "image_ref")),
      "h.io/bad-name:v1": (folder) => writeFileSync(join(folder, "image_ref"), "UPPER CASE"),
    };
    for (const [name, spoil] of Object.entries(broken)) {
      spoil(writeLegacyImage(old, name, { module: HELLO, config: "{}" }));
    }
    mkdirSync(join(old, createHash("md5").update("interrupted").digest("hex")));
    mkdirSync(join(old, "something-else"));
    writeFileSync(join(old, "notes.txt"), "mine");
    const before = snapshot(old);
    for (const dryRun of [true, false]) {
      const { images } = await migrate({ dryRun });
      expect(images.filter(({ state }) => state === "migrated")).toMatchObject([{ reference: "h.io/good:v1" }]);
      const damaged = images.flatMap((image) => (image.state === "damaged" ? [image] : []));
      expect(damaged).toHaveLength(Object.keys(broken).length + 1);
      const reasonOf = (name: string): string => damaged.find(({ reference }) => reference === name)?.reason ?? "";
      expect(reasonOf("h.io/altered:v1")).toContain(`is not ${digestOf(HELLO)}`);
      expect(reasonOf("h.io/cut:v1")).toBe("filter.wasm has 637 instead of 638 bytes");
      expect(reasonOf("h.io/no-config:v1")).toBe("runtime-config.json: it is missing");
      expect(reasonOf("h.io/bad-descriptor:v1")).toBe("descriptor.json is broken");
      expect(damaged.filter(({ reference }) => reference === undefined)).toHaveLength(2);
    }
    expect((await store.entries()).map(({ reference }) => reference)).toEqual(["h.io/good:v1"]);
    expect(await store.audit()).toMatchObject({ faults: [], unfinished: { files: 0 } });
    expect(snapshot(old)).toEqual(before);
  });

  it("keeps an image of that name that is here, unless it is told to replace it", async () => {
    writeLegacyImage(old, "h.io/a:v1", { module: vectorModule(), config: "{}" });
    const { manifestDigest } = await importImage(
      { store },
      { file: HELLO_WASM, reference: ref("h.io/a:v1"), runtimeConfig: {}, check: true },
    );
    expect((await migrate()).images).toMatchObject([{ state: "kept", manifestDigest: VECTOR.bare }]);
    expect((await migrate({ dryRun: true, force: true })).images).toMatchObject([{ state: "replaced" }]);
    expect(await store.resolve("h.io/a:v1")).toMatchObject({ digest: manifestDigest });
    expect((await migrate({ force: true })).images).toMatchObject([{ state: "replaced" }]);
    expect(await store.resolve("h.io/a:v1")).toMatchObject({ digest: VECTOR.bare });
    expect((await migrate()).images).toMatchObject([{ state: "unchanged" }]);
  });

  it("mends what was damaged here since", async () => {
    writeLegacyImage(old, "h.io/a:v1", { module: HELLO, config: "{}" });
    await migrate();
    for (const name of readdirSync(join(store.dir, "blobs/sha256"))) {
      writeFileSync(join(store.dir, "blobs/sha256", name), "broken", { mode: 0o644 });
    }
    expect((await store.audit()).entries[0]?.faults).not.toEqual([]);
    expect((await migrate()).images).toMatchObject([{ state: "unchanged" }]);
    expect((await store.audit()).entries[0]?.faults).toEqual([]);
  });

  it("says so when there is no old store", async () => {
    await expect(
      migrateStore({ store }, { from: join(old, "none"), force: false, dryRun: false }),
    ).rejects.toMatchObject({ code: "LEGACY_STORE_NOT_FOUND", kind: "not-found" });
    expect((await migrate()).images).toEqual([]);
  });
});

describe("listImages", () => {
  it("counts old images until they are taken over", async () => {
    const legacyDir = old;
    expect((await listImages({ store }, { legacyDir })).legacyImages).toBe(0);
    expect((await listImages({ store }, { legacyDir: join(old, "none") })).legacyImages).toBe(0);
    writeLegacyImage(old, "h.io/a:v1", { module: HELLO, config: "{}" });
    writeLegacyImage(old, "h.io/b:v1", { module: HELLO, config: "{}" });
    expect((await listImages({ store }, { legacyDir })).legacyImages).toBe(2);
    await migrate();
    expect((await listImages({ store }, { legacyDir })).legacyImages).toBe(0);
  });
});
