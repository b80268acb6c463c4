import { createReadStream, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeEach, describe, expect, it } from "vitest";
import { type Descriptor, describe as describeBytes, REF_NAME } from "../../../src/domain/descriptor.ts";
import { digestOf, digestParts, startDigest } from "../../../src/domain/digest.ts";
import { parseImageReference as ref } from "../../../src/domain/image-reference.ts";
import { MediaType } from "../../../src/domain/media-types.ts";
import { encodeTarHeader } from "../../../src/domain/ustar.ts";
import { loadImages, type LoadRequest, type LoadResult } from "../../../src/images/load-image.ts";
import { saveImages } from "../../../src/images/save-image.ts";
import { type ImageStore, openStore } from "../../../src/store/image-store.ts";
import { chunked, type Member, tarOf } from "../../support/archives.ts";
import { knownLayouts, putImage } from "../../support/layouts.ts";
import { HELLO_WASM } from "../../support/modules.ts";
import { tempDir } from "../../support/temp-dir.ts";

const HELLO = readFileSync(HELLO_WASM);
const CONFIG = '{"type":"envoy_proxy","abiVersions":["v0.2.1"],"config":{"rootIds":["hello"]}}';
const layouts = Object.entries(knownLayouts(HELLO, CONFIG));

let dir: string;
let store: ImageStore;
beforeEach(() => {
  dir = tempDir();
  store = openStore(join(dir, "images"));
});

async function load(bytes: Uint8Array, into: ImageStore, options: Partial<LoadRequest> = {}): Promise<LoadResult> {
  return await loadImages({ store: into }, { chunks: chunked(bytes, 70_000), title: "a.tar", ...options });
}

async function saved(...references: string[]): Promise<Buffer> {
  const file = join(dir, "out", "saved.tar");
  const result = await saveImages({ store }, { references, target: { file } });
  const bytes = readFileSync(file);
  expect(result.bytes).toBe(bytes.byteLength);
  expect(readdirSync(join(dir, "out"))).toEqual(["saved.tar"]);
  return bytes;
}

describe("save and load", () => {
  it.each(layouts)("carry an image as it is: %s", async (_name, image) => {
    const { digest } = await putImage(store, "h.io/a/b:v1", image);
    const bytes = await saved("h.io/a/b:v1");
    for (const archive of [bytes, gzipSync(bytes)]) {
      const other = openStore(join(tempDir(), "images"));
      expect(await load(archive, other)).toMatchObject({
        images: [
          {
            reference: "h.io/a/b:v1",
            manifestDigest: digest,
            moduleDigest: digestOf(HELLO),
            moduleSize: HELLO.byteLength,
            format: image.has,
            unchanged: false,
          },
        ],
      });
      expect(await other.audit()).toMatchObject({ entries: [{ faults: [] }], unnamed: { files: 0 }, faults: [] });
      expect((await load(archive, other)).images).toMatchObject([{ unchanged: true }]);
    }
  });

  it("carry several images, shared content once, the same bytes in whatever order they are named", async () => {
    const [[, solo], [, compat]] = [layouts[0] ?? fail(), layouts.find(([name]) => name === "compat") ?? fail()];
    await putImage(store, "h.io/a:v1", solo);
    await putImage(store, "h.io/a:v2", solo);
    await putImage(store, "h.io/b:v1", compat);
    const one = await saved("h.io/b:v1", "h.io/a:v2", "h.io/a:v1");
    const two = await saved("h.io/a:v1", "h.io/a:v1", "h.io/a:v2", "h.io/b:v1");
    expect(one.equals(two)).toBe(true);
    const other = openStore(join(tempDir(), "images"));
    const { images, blobs } = await load(one, other);
    expect(images.map(({ reference }) => reference)).toEqual(["h.io/a:v1", "h.io/a:v2", "h.io/b:v1"]);
    expect(blobs).toBe(6);
  });

  it("carry a name that holds a digest, and content named by sha512", async () => {
    const hash = startDigest(`sha512:${"0".repeat(128)}` as Descriptor["digest"]);
    hash.update(HELLO);
    const layer = { mediaType: MediaType.soloModule, digest: hash.digest(), size: HELLO.byteLength };
    await store.push(layer, { size: layer.size, open: () => chunked(HELLO, 1000) });
    const config = await put(MediaType.ociEmpty, "{}");
    const manifest = await put(MediaType.ociManifest, JSON.stringify({ schemaVersion: 2, config, layers: [layer] }));
    const name = `h.io/a:v1@${manifest.digest}`;
    await store.tag(name, manifest);
    const bytes = await saved(name);
    const other = openStore(join(tempDir(), "images"));
    expect((await load(bytes, other)).images).toMatchObject([{ reference: name, moduleDigest: layer.digest }]);
    expect(await other.verify(layer)).toBe(true);
  });

  it("give the one image of an archive another name, and replace what had it", async () => {
    const { digest } = await putImage(store, "h.io/a:v1", layouts[0]?.[1] ?? fail());
    const bytes = await saved("h.io/a:v1");
    const other = openStore(join(tempDir(), "images"));
    const old = await putImage(other, "h.io/b:v9", layouts[1]?.[1] ?? fail());
    const { images } = await load(bytes, other, { reference: ref("h.io/b:v9") });
    expect(images).toMatchObject([{ reference: "h.io/b:v9", manifestDigest: digest, replaced: old.digest }]);
    expect(await other.resolve("h.io/a:v1")).toBeUndefined();
    const pinned = ref(`h.io/b@${digest}`);
    await expect(load(bytes, other, { reference: pinned })).rejects.toMatchObject({ code: "TAG_TARGET_INVALID" });
    await putImage(store, "h.io/c:v1", layouts[1]?.[1] ?? fail());
    const both = await saved("h.io/a:v1", "h.io/c:v1");
    await expect(load(both, other, { reference: ref("h.io/x:1") })).rejects.toMatchObject({ code: "ARCHIVE_NAMES" });
  });

  async function put(mediaType: string, text: string): Promise<Descriptor> {
    const bytes = Buffer.from(text);
    const descriptor = describeBytes(mediaType, bytes);
    await store.push(descriptor, { size: bytes.byteLength, open: () => chunked(bytes, 100) });
    return descriptor;
  }
});

describe("save", () => {
  it("leaves the old file when an image is unknown, damaged, or turns out altered while it is read", async () => {
    const { digest } = await putImage(store, "h.io/a:v1", layouts[0]?.[1] ?? fail());
    const bytes = await saved("h.io/a:v1");
    const references = ["h.io/a:v1", "h.io/none:v1"];
    const target = { file: join(dir, "out/saved.tar") };
    await expect(saveImages({ store }, { references, target })).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    await expect(saveImages({ store }, { references: [], target })).rejects.toMatchObject({ kind: "usage" });
    spoil(digestOf(HELLO), Buffer.concat([HELLO.subarray(0, -1), Buffer.from([99])]));
    const request = { references: ["h.io/a:v1"], target };
    await expect(saveImages({ store }, request)).rejects.toMatchObject({ code: "BLOB_DAMAGED" });
    spoil(digest, Buffer.from("{}"));
    await expect(saveImages({ store }, request)).rejects.toMatchObject({
      code: "IMAGE_DAMAGED",
      hint: expect.stringContaining("store verify"),
    });
    expect(readFileSync(target.file).equals(bytes)).toBe(true);
    expect(readdirSync(join(dir, "out"))).toEqual(["saved.tar"]);
  });

  it("writes into a device instead of replacing it", async () => {
    await putImage(store, "h.io/a:v1", layouts[0]?.[1] ?? fail());
    await saveImages({ store }, { references: ["h.io/a:v1"], target: { file: "/dev/null" } });
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
  });

  function spoil(digest: Descriptor["digest"], bytes: Uint8Array): void {
    const { algorithm, hex } = digestParts(digest);
    writeFileSync(join(store.dir, "blobs", algorithm, hex), bytes, { mode: 0o644 });
  }
});

/** A layout's members, as another tool would write them: blobs first. */
async function members(names: readonly (string | undefined)[] = ["h.io/a:v1"]): Promise<Member[]> {
  const made = openStore(join(tempDir(), "images"));
  const { mediaType, digest, size } = await putImage(made, "h.io/a:v1", layouts[0]?.[1] ?? fail());
  const manifests = names.map((name) => ({
    mediaType,
    digest,
    size,
    ...(name === undefined ? {} : { annotations: { [REF_NAME]: name } }),
  }));
  const folder = join(made.dir, "blobs/sha256");
  return [
    { name: "blobs/", type: "5" },
    { name: "blobs/sha256/", type: "5" },
    ...readdirSync(folder).map((name) => ({ name: `blobs/sha256/${name}`, content: readFileSync(join(folder, name)) })),
    { name: "index.json", content: JSON.stringify({ schemaVersion: 2, manifests }) },
    { name: "oci-layout", content: '{"imageLayoutVersion": "1.0.0"}' },
  ];
}

describe("load", () => {
  it("reads a layout whatever the order, with `./` before names and files beside it", async () => {
    const all = (await members()).toReversed().map((member) => ({ ...member, name: `./${member.name}` }));
    const more = [
      ...all,
      { name: "manifest.json", content: "[]" },
      { name: "blobs/sha256/._AppleDouble", content: "x" },
      { name: "some/link", type: "2", link: "/etc/passwd" },
    ];
    expect((await load(tarOf(more), store)).images).toMatchObject([{ reference: "h.io/a:v1" }]);
    expect(await store.audit()).toMatchObject({ strays: [], unnamed: { files: 0 } });
  });

  it("reads an image once, however many names a small archive gives it", async () => {
    const names = Array.from({ length: 50 }, (_, at) => `h.io/a:v${at}`);
    const tar = tarOf(await members(names));
    let reads = 0;
    const counting: Parameters<typeof loadImages>[0]["store"] = {
      push: (...given) => store.push(...given),
      fetch: (...given) => {
        reads += 1;
        return store.fetch(...given);
      },
      verify: (...given) => store.verify(...given),
      sizeOf: (digest) => store.sizeOf(digest),
      manifest: (descriptor) => store.manifest(descriptor),
      resolve: (reference) => store.resolve(reference),
      tagAll: (...given) => store.tagAll(...given),
    };
    const { images } = await loadImages({ store: counting }, { chunks: chunked(tar, 70_000), title: "a.tar" });
    expect(images.map(({ reference }) => reference)).toEqual(names);
    expect(new Set((await store.names()).map(({ reference }) => reference))).toEqual(new Set(names));
    expect(reads).toBeLessThan(5);
  });

  it("knows short names by Docker's rules, leaves bare tags and nameless images out, and says so", async () => {
    const warnings: string[] = [];
    const tar = tarOf(await members([undefined, "v1", "team/hello:v2", "h.io/UPPER:x"]));
    const request = { chunks: chunked(tar, 1000), title: "a.tar" };
    const { images } = await loadImages({ store }, request, (event) => {
      if (event.type === "warning") warnings.push(event.message);
    });
    expect(images.map(({ reference }) => reference)).toEqual(["docker.io/team/hello:v2"]);
    expect(warnings).toHaveLength(3);
    expect(warnings[1]).toContain('named only "v1"');
    const nameless = tarOf(await members([undefined]));
    const fresh = openStore(join(tempDir(), "images"));
    await expect(load(nameless, fresh)).rejects.toMatchObject({
      code: "ARCHIVE_NAMES",
      hint: expect.stringContaining("--tag"),
    });
    expect((await load(nameless, fresh, { reference: ref("h.io/n:1") })).images).toHaveLength(1);
  });

  it("takes of an index the image proxies take", async () => {
    const made = openStore(join(tempDir(), "made"));
    const image = layouts[0]?.[1] ?? fail();
    const { mediaType, digest, size } = await putImage(made, "h.io/a:v1", image);
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MediaType.ociIndex,
        manifests: [
          { mediaType, digest: digestOf("arm"), size: 3, platform: { os: "linux", architecture: "arm64" } },
          { mediaType, digest, size, platform: { os: "linux", architecture: "amd64" } },
        ],
      }),
    );
    const entry = { ...describeBytes(MediaType.ociIndex, index), annotations: { [REF_NAME]: "h.io/multi:v1" } };
    const tar = tarOf([
      ...(await members()).filter(({ name }) => name !== "index.json"),
      { name: `blobs/sha256/${digestParts(entry.digest).hex}`, content: index },
      { name: "index.json", content: JSON.stringify({ schemaVersion: 2, manifests: [entry] }) },
    ]);
    expect((await load(tar, store)).images).toMatchObject([{ reference: "h.io/multi:v1", manifestDigest: digest }]);
  });

  it("reads what docker save writes: the whole name beside the tag, an index with a note on the build", async () => {
    const made = openStore(join(tempDir(), "made"));
    const { mediaType, digest, size } = await putImage(made, "h.io/a:v1", layouts[0]?.[1] ?? fail());
    const note = { mediaType, digest: digestOf("note"), size: 4, platform: { os: "unknown", architecture: "unknown" } };
    const image = { mediaType, digest, size, platform: { os: "linux", architecture: "amd64" } };
    const index = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [image, note] }),
    );
    const annotations = { "io.containerd.image.name": "docker.io/team/hello:v3", [REF_NAME]: "v3" };
    const entry = { ...describeBytes(MediaType.ociIndex, index), annotations };
    const tar = tarOf([
      ...(await members()).filter(({ name }) => name !== "index.json"),
      { name: `blobs/sha256/${digestParts(entry.digest).hex}`, content: index },
      { name: "index.json", content: JSON.stringify({ schemaVersion: 2, manifests: [entry] }) },
      { name: "manifest.json", content: "[]" },
      { name: "repositories", content: "{}" },
    ]);
    const { images } = await load(tar, store);
    expect(images).toMatchObject([{ reference: "docker.io/team/hello:v3", manifestDigest: digest }]);
  });

  const hostile: readonly (readonly [string, (all: Member[]) => Uint8Array, string])[] = [
    ["nothing", () => Buffer.alloc(0), "not a tar archive"],
    ["a wasm module", () => HELLO, "not a tar archive"],
    ["gzip of something else", () => gzipSync(HELLO), "not a tar archive"],
    ["an archive without a layout", () => tarOf([{ name: "a", content: "b" }]), "not an OCI image layout"],
    ["an empty archive", () => tarOf([]), "not an OCI image layout"],
    ["an archive cut off", (all) => tarOf(all).subarray(0, 2000), "ends too early"],
    ["gzip cut off", (all) => gzipSync(tarOf(all)).subarray(0, -20), "not intact gzip"],
    ["no index", (all) => tarOf(all.filter(({ name }) => name !== "index.json")), "not an OCI image layout"],
    ["no marker", (all) => tarOf(all.filter(({ name }) => name !== "oci-layout")), "not an OCI image layout"],
    ["another version", (all) => tarOf(swap(all, "oci-layout", '{"imageLayoutVersion":"2"}')), "version 1.0.0"],
    ["a broken index", (all) => tarOf(swap(all, "index.json", "{")), "index.json is broken"],
    ["an index that is a manifest", (all) => tarOf(swap(all, "index.json", manifestText)), "index.json is"],
    ["two indexes", (all) => tarOf([...all, { name: "./index.json", content: "{}" }]), "in it twice"],
    ["a path that leads out", (all) => tarOf([{ name: "blobs/../../x", content: "x" }, ...all]), "leads out of it"],
    ["an absolute path", (all) => tarOf([{ name: "/etc/passwd", content: "x" }, ...all]), "leads out of it"],
    [
      "a link for an index",
      (all) => tarOf([{ name: "index.json", type: "2", link: "/etc/passwd" }, ...all]),
      "not a regular file",
    ],
    [
      "a link among the blobs",
      (all) => tarOf([{ name: `blobs/sha256/${"0".repeat(64)}`, type: "2", link: "../../index.json" }, ...all]),
      "not a regular file",
    ],
    [
      "a blob under a foreign digest",
      (all) => tarOf([{ name: `blobs/sha256/${"0".repeat(64)}`, content: "x" }, ...all]),
      "was altered",
    ],
    [
      "a blob that is not there",
      (all) => tarOf(all.filter(({ content }) => content?.length !== HELLO.length)),
      "lacks",
    ],
    [
      "a name that holds another digest",
      (all) => tarOf(rename(all, `h.io/a@sha256:${"1".repeat(64)}`)),
      "by the name h.io/a@sha256:1111",
    ],
    [
      "a blob larger than any, before it is read",
      (all) => Buffer.concat([encodeTarHeader(`blobs/sha256/${"0".repeat(64)}`, 3 * 2 ** 30), tarOf(all)]),
      "is larger than",
    ],
    [
      "much that does not belong in it, before it is read",
      (all) => Buffer.concat([encodeTarHeader("junk", 2 ** 30), tarOf(all)]),
      "does not belong in it",
    ],
    ["an index too large", (all) => tarOf(swap(all, "index.json", " ".repeat(5 << 20))), "too large"],
  ];

  it.each(hostile)("refuses %s, and names nothing", async (_case, make, words) => {
    const archive = make(await members());
    await expect(load(archive, store)).rejects.toThrow(words);
    await expect(load(archive, store)).rejects.toMatchObject({
      code: expect.stringMatching(/^ARCHIVE_/u),
      message: expect.stringContaining("a.tar"),
    });
    expect(await store.entries()).toEqual([]);
    expect(await store.audit()).toMatchObject({ faults: [], unfinished: { files: 0 }, strays: [] });
    expect((await load(tarOf(await members()), store)).images).toHaveLength(1);
  });

  it("refuses what is no wasm image", async () => {
    const image = { layers: [{ mediaType: "application/x-tar", bytes: Buffer.from("no module") }] };
    await putImage(store, "h.io/a:v1", image);
    const other = openStore(join(tempDir(), "images"));
    await expect(load(await saved("h.io/a:v1"), other)).rejects.toMatchObject({ code: "LAYOUT_UNKNOWN" });
    expect(await other.entries()).toEqual([]);
  });

  it("uses what the store has of an archive that leaves it out, only if it is intact", async () => {
    const all = await members();
    await load(tarOf(all), store);
    const short = tarOf(all.filter(({ content }) => content?.length !== HELLO.length));
    expect((await load(short, store)).images).toMatchObject([{ unchanged: true }]);
    const { algorithm, hex } = digestParts(digestOf(HELLO));
    writeFileSync(join(store.dir, "blobs", algorithm, hex), Buffer.alloc(HELLO.byteLength));
    await expect(load(short, store)).rejects.toMatchObject({ code: "ARCHIVE_INCOMPLETE" });
    await load(tarOf(all), store);
    expect(await store.audit()).toMatchObject({ entries: [{ faults: [] }] });
  });

  it("closes its source, however it ends", async () => {
    for (const content of [Buffer.alloc(0), HELLO, gzipSync(HELLO), tarOf(await members()).subarray(0, 2000)]) {
      const file = join(dir, "input");
      writeFileSync(file, content);
      const stream = createReadStream(file, { highWaterMark: 64 });
      await expect(loadImages({ store }, { chunks: stream, title: "x" })).rejects.toThrow("x ");
      expect(stream.destroyed).toBe(true);
    }
  });
});

const manifestText = JSON.stringify({
  schemaVersion: 2,
  mediaType: MediaType.ociManifest,
  config: describeBytes(MediaType.ociEmpty, Buffer.from("{}")),
  layers: [],
});

function swap(all: readonly Member[], name: string, content: string): Member[] {
  return all.map((member) => (member.name === name ? { ...member, content } : member));
}

function rename(all: readonly Member[], to: string): Member[] {
  return all.map((member) => {
    if (member.name !== "index.json") return member;
    return { ...member, content: String(member.content).replace("h.io/a:v1", to) };
  });
}

function fail(): never {
  throw new Error("there is no such layout");
}
