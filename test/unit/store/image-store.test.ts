import { chmod, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesSource, collect } from "../../../src/domain/content.ts";
import { describe as describeBytes, type Descriptor } from "../../../src/domain/descriptor.ts";
import { digestParts } from "../../../src/domain/digest.ts";
import { MediaType } from "../../../src/domain/media-types.ts";
import { type ImageStore, openStore } from "../../../src/store/image-store.ts";

const tooLong = (): Error => new Error("too long");

describe("the image store", () => {
  let dir: string;
  let store: ImageStore;
  beforeEach(async () => {
    dir = join(await mkdtemp(join(tmpdir(), "wasme-store-")), "images");
    store = openStore(dir);
  });
  afterEach(async () => {
    await rm(join(dir, ".."), { recursive: true, force: true });
  });

  /** Stores one config and one layer and the manifest over both, without a name. */
  async function put(text: string): Promise<{ manifest: Descriptor; layer: Descriptor; config: Descriptor }> {
    const layerBytes = Buffer.from(text);
    const layer = describeBytes("application/octet-stream", layerBytes);
    const configBytes = Buffer.from("{}");
    const config = describeBytes(MediaType.ociEmpty, configBytes);
    const bytes = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers: [layer] }),
    );
    const manifest = describeBytes(MediaType.ociManifest, bytes);
    await store.push(layer, bytesSource(layerBytes));
    await store.push(config, bytesSource(configBytes));
    await store.push(manifest, bytesSource(bytes));
    return { manifest, layer, config };
  }

  const fileOf = (descriptor: Descriptor): string => {
    const { algorithm, hex } = digestParts(descriptor.digest);
    return join(dir, "blobs", algorithm, hex);
  };

  it("writes nothing when it is opened or read", async () => {
    expect(await store.entries()).toEqual([]);
    expect(await store.resolve("a/b:c")).toBeUndefined();
    expect(await store.untag("a/b:c")).toBe(false);
    expect(await store.prune()).toMatchObject({ removed: [], unfinished: 0, bytes: 0, skipped: undefined });
    await expect(stat(dir)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("gives back what was stored, under its name, and leaves no unfinished file", async () => {
    const { manifest, layer } = await put("hello");
    await store.tag("localhost:5000/a/b:v1", manifest);
    expect(await store.resolve("localhost:5000/a/b:v1")).toMatchObject({
      digest: manifest.digest,
      size: manifest.size,
    });
    expect(Buffer.from(await collect(store.fetch(layer), 10, tooLong)).toString()).toBe("hello");
    expect(await readdir(join(dir, "ingest"))).toEqual([]);
    expect((await readdir(dir)).toSorted()).toEqual(["blobs", "index.json", "ingest", "oci-layout"]);
    expect((await stat(fileOf(layer))).mode & 0o777).toBe(0o444);
    expect(JSON.parse(await readFile(join(dir, "oci-layout"), "utf8"))).toEqual({ imageLayoutVersion: "1.0.0" });
  });

  it("moves a name and removes it", async () => {
    const [one, two] = [await put("one"), await put("two")];
    await store.tag("h/r:v1", one.manifest);
    await store.tag("h/r:v2", one.manifest);
    await store.tag("h/r:v1", two.manifest);
    expect((await store.entries()).map((entry) => [entry.reference, entry.descriptor?.digest])).toEqual([
      ["h/r:v2", one.manifest.digest],
      ["h/r:v1", two.manifest.digest],
    ]);
    expect(await store.untag("h/r:v1")).toBe(true);
    expect(await store.untag("h/r:v1")).toBe(false);
    expect((await store.entries()).map((entry) => entry.reference)).toEqual(["h/r:v2"]);
  });

  it("refuses bytes that do not match, and keeps nothing of them", async () => {
    const descriptor = describeBytes("application/octet-stream", Buffer.from("right"));
    await expect(store.push(descriptor, bytesSource(Buffer.from("wrong")))).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
    });
    await expect(store.push(descriptor, bytesSource(Buffer.from("righ")))).rejects.toMatchObject({
      code: "SIZE_MISMATCH",
    });
    await expect(store.push(descriptor, bytesSource(Buffer.from("righty")))).rejects.toMatchObject({
      code: "SIZE_MISMATCH",
    });
    expect(await store.exists(descriptor)).toBe(false);
    expect(await readdir(join(dir, "ingest"))).toEqual([]);
  });

  it("never names what is not there", async () => {
    const { manifest, layer } = await put("hello");
    await rm(fileOf(layer));
    await expect(store.tag("h/r:v1", manifest)).rejects.toMatchObject({ code: "CONTENT_MISSING" });
    await rm(fileOf(manifest));
    await expect(store.tag("h/r:v1", manifest)).rejects.toMatchObject({ code: "BLOB_MISSING" });
    expect(await store.entries()).toEqual([]);
  });

  it("shows a damaged entry as damaged beside the others, and heals it", async () => {
    const [one, two] = [await put("one"), await put("two")];
    await store.tag("h/r:one", one.manifest);
    await store.tag("h/r:two", two.manifest);
    await overwrite(fileOf(one.layer), "on");
    const [first, second] = await store.entries();
    expect(first).toMatchObject({
      state: "damaged",
      reference: "h/r:one",
      reason: expect.stringContaining(one.layer.digest),
    });
    expect(second).toMatchObject({ state: "ok", reference: "h/r:two" });
    await put("one");
    expect((await store.entries()).map((entry) => entry.state)).toEqual(["ok", "ok"]);
  });

  it("notices one altered byte when content is read, and replaces it when it is stored again", async () => {
    const { layer } = await put("hello");
    await overwrite(fileOf(layer), "hellO");
    expect(await store.exists(layer)).toBe(true);
    expect(await store.verify(layer)).toBe(false);
    await expect(collect(store.fetch(layer), 10, tooLong)).rejects.toMatchObject({ code: "BLOB_DAMAGED" });
    await store.push(layer, bytesSource(Buffer.from("hello")));
    expect(await store.verify(layer)).toBe(true);
  });

  it.each([
    ["longer", "hello!", "longer"],
    ["shorter", "hell", "4 of 5"],
  ])("notices content that got %s", async (_case, text, words) => {
    const { layer } = await put("hello");
    await overwrite(fileOf(layer), text);
    await expect(collect(store.fetch(layer), 10, tooLong)).rejects.toThrow(words);
  });

  it("keeps entries and keys of other tools that it does not understand", async () => {
    const { manifest } = await put("hello");
    await store.tag("h/r:v1", manifest);
    const path = join(dir, "index.json");
    const index = JSON.parse(await readFile(path, "utf8")) as { manifests: unknown[] };
    const strange = {
      mediaType: "x/y",
      digest: "md5:1",
      annotations: { "org.opencontainers.image.ref.name": "broken" },
    };
    index.manifests.unshift(strange, 7);
    await writeFile(path, JSON.stringify({ ...index, "x-other": [1] }));
    expect((await store.entries()).map((entry) => [entry.state, entry.reference])).toEqual([
      ["damaged", "broken"],
      ["damaged", ""],
      ["ok", "h/r:v1"],
    ]);
    await expect(store.resolve("broken")).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    await store.tag("h/r:v2", manifest);
    const after = JSON.parse(await readFile(path, "utf8")) as { manifests: unknown[] };
    expect(after).toMatchObject({ "x-other": [1] });
    expect(after.manifests.slice(0, 2)).toEqual([strange, 7]);
    expect(await store.untag("broken")).toBe(true);
  });

  it("says so when the index is no index, and works again when it is moved away", async () => {
    const { manifest } = await put("hello");
    await store.tag("h/r:v1", manifest);
    await writeFile(join(dir, "index.json"), "{");
    await expect(store.entries()).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    await expect(store.tag("h/r:v2", manifest)).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    await rm(join(dir, "index.json"));
    await store.tag("h/r:v2", manifest);
    expect((await store.entries()).map((entry) => entry.reference)).toEqual(["h/r:v2"]);
  });

  it("refuses a folder that holds something else, and a layout of another version", async () => {
    await put("hello");
    await writeFile(join(dir, "oci-layout"), '{"imageLayoutVersion":"2.0.0"}');
    await expect(put("more")).rejects.toMatchObject({ code: "STORE_UNSUPPORTED" });
    await rm(join(dir, "oci-layout"));
    await writeFile(join(dir, "notes.txt"), "mine");
    await expect(put("more")).rejects.toMatchObject({ code: "STORE_INVALID", kind: "usage" });
    await rm(join(dir, "notes.txt"));
    await put("more");
  });

  it("prunes only what is old and no name reaches", async () => {
    const [one, two] = [await put("one"), await put("two")];
    await store.tag("h/r:one", one.manifest);
    expect(await store.prune()).toMatchObject({ removed: [] });
    const long = new Date(Date.now() - 2 * 60 * 60 * 1000);
    for (const each of [one.layer, one.manifest, two.layer, two.manifest, two.config])
      await utimes(fileOf(each), long, long);
    await writeFile(join(dir, "ingest", ".tmp-old"), "abc");
    await utimes(join(dir, "ingest", ".tmp-old"), long, long);
    await writeFile(join(dir, "ingest", ".tmp-new"), "abc");
    const { removed, bytes } = await store.prune();
    expect(removed.toSorted()).toEqual([two.layer.digest, two.manifest.digest].toSorted());
    expect(bytes).toBe(two.layer.size + two.manifest.size + 3);
    expect(await readdir(join(dir, "ingest"))).toEqual([".tmp-new"]);
    expect((await store.entries()).map((entry) => entry.state)).toEqual(["ok"]);
  });

  it("protects content that was found in place by a writer that has not named it yet", async () => {
    const { layer } = await put("one");
    const long = new Date(0);
    await utimes(fileOf(layer), long, long);
    await store.push(layer, bytesSource(Buffer.from("one")));
    expect((await store.prune()).removed).toEqual([]);
    expect(await store.exists(layer)).toBe(true);
  });

  it("tells a writer that was slower than the grace, instead of naming a hole", async () => {
    const { manifest, layer } = await put("one");
    const long = new Date(0);
    for (const each of [manifest, layer]) await utimes(fileOf(each), long, long);
    await store.prune();
    await expect(store.tag("h/r:one", manifest)).rejects.toMatchObject({ code: "BLOB_MISSING" });
    expect(await store.entries()).toEqual([]);
    const again = await put("one");
    await store.tag("h/r:one", again.manifest);
    expect((await store.entries()).map((entry) => entry.state)).toEqual(["ok"]);
  });

  it("tells a writer whose unfinished file a clean-up without grace took", async () => {
    const writer = await store.write();
    await writer.write(Buffer.from("half"));
    expect(await store.prune({ graceMs: -60_000 })).toMatchObject({ unfinished: 1 });
    await expect(writer.commit()).rejects.toMatchObject({ code: "DRAFT_LOST", hint: expect.stringContaining("again") });
    await writer.discard();
    const second = await store.write();
    await second.write(Buffer.from("half"));
    expect(await store.sizeOf(await second.commit())).toBe(4);
  });

  it("names several images in one step, or none", async () => {
    const [one, two] = [await put("one"), await put("two")];
    await store.tag("h/r:one", two.manifest);
    await rm(fileOf(two.layer));
    const both = [
      { reference: "h/r:one", descriptor: one.manifest },
      { reference: "h/r:two", descriptor: two.manifest, updated: new Date(0) },
    ];
    await expect(store.tagAll(both)).rejects.toMatchObject({ code: "CONTENT_MISSING" });
    expect(await store.resolve("h/r:one")).toMatchObject({ digest: two.manifest.digest });
    await put("two");
    await store.tagAll(both);
    expect((await store.entries()).map(({ reference, updated }) => [reference, updated?.slice(0, 4)])).toEqual([
      ["h/r:one", String(new Date().getUTCFullYear())],
      ["h/r:two", "1970"],
    ]);
  });

  it("prunes nothing while it cannot tell what a damaged entry reaches", async () => {
    const [one, two] = [await put("one"), await put("two")];
    await store.tag("h/r:one", one.manifest);
    await overwrite(fileOf(one.manifest), "x".repeat(one.manifest.size));
    expect(await store.prune({ graceMs: -1 })).toMatchObject({
      removed: [],
      skipped: expect.stringContaining("h/r:one"),
    });
    expect(await store.exists(two.layer)).toBe(true);
  });

  it("says so when the damaged entry has no name", async () => {
    await store.tag("h/r:one", (await put("one")).manifest);
    await overwrite(join(store.dir, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [{ size: 1 }] }));
    expect(await store.prune({ graceMs: -1 })).toMatchObject({
      removed: [],
      skipped: "an entry of index.json without a name is damaged",
    });
  });

  it("removes one blob at once, unless a name reaches it", async () => {
    const [one, two] = [await put("one"), await put("two")];
    await store.tag("h/r:one", one.manifest);
    expect(await store.removeBlob(one.layer.digest)).toBe("in-use");
    expect(await store.removeBlob(one.manifest.digest)).toBe("in-use");
    expect(await store.removeBlob(two.layer.digest)).toBe("removed");
    expect(await store.removeBlob(two.layer.digest)).toBe("absent");
    expect(await store.exists(two.layer)).toBe(false);
    expect(await store.exists(one.layer)).toBe(true);
    await overwrite(fileOf(one.manifest), "x".repeat(one.manifest.size));
    expect(await store.removeBlob(two.manifest.digest)).toBe("in-use");
    await store.untag("h/r:one");
    expect(await store.removeBlob(two.manifest.digest)).toBe("removed");
  });

  it("keeps the content of an image whose manifest another image lists as a layer", async () => {
    const inner = await put("inner");
    const config = describeBytes(MediaType.ociEmpty, Buffer.from("{}"));
    const layers = [{ ...inner.manifest, mediaType: "application/octet-stream" }];
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers }));
    const outer = describeBytes(MediaType.ociManifest, bytes);
    await store.push(outer, bytesSource(bytes));
    await store.tag("h/r:outer", outer);
    await store.tag("h/r:inner", inner.manifest);
    expect(await store.prune({ graceMs: -60_000 })).toMatchObject({ removed: [], skipped: undefined });
    expect(await store.exists(inner.layer)).toBe(true);
  });
});

async function overwrite(path: string, text: string): Promise<void> {
  await chmod(path, 0o644);
  await writeFile(path, text);
}
