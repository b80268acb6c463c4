import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeEach, describe, expect, it } from "vitest";
import { bytesSource } from "../../../src/domain/content.ts";
import { describe as describeBytes } from "../../../src/domain/descriptor.ts";
import { digestOf } from "../../../src/domain/digest.ts";
import { parseImageReference as ref } from "../../../src/domain/image-reference.ts";
import { MediaType } from "../../../src/domain/media-types.ts";
import { inspectImage } from "../../../src/images/inspect-image.ts";
import { pullImage, type PullResult } from "../../../src/images/pull-image.ts";
import type { Remote } from "../../../src/images/remote.ts";
import { type ImageStore, openStore } from "../../../src/store/image-store.ts";
import { type Member, tarOf } from "../../support/archives.ts";
import { failure } from "../../support/failure.ts";
import { type MadeImage, packed, putImage } from "../../support/layouts.ts";
import { HELLO_WASM } from "../../support/modules.ts";
import { type StoreRegistry, storeRegistry } from "../../support/store-registry.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { filterModule } from "../../support/wasm-builder.ts";

const HELLO = readFileSync(HELLO_WASM);
const OTHER = filterModule({ custom: [{ name: "other", bytes: Buffer.from("x") }] });

let store: ImageStore;
let registry: StoreRegistry;

beforeEach(() => {
  const dir = tempDir();
  store = openStore(join(dir, "images"));
  registry = storeRegistry(join(dir, "registry"));
});

const pull = async (image: MadeImage): Promise<PullResult> => {
  await putImage(registry.store, "h.io/x:v1", image);
  return await pullImage({ store, registry }, { reference: ref("h.io/x:v1") });
};
const inLayer = (bytes: Uint8Array, mediaType: string = MediaType.ociTarGzip): MadeImage => ({
  layers: [{ mediaType, bytes }],
});
const inTar = (members: readonly Member[]): MadeImage => ({ layers: [packed(members)] });

describe("a layer that is out to harm", () => {
  it.each<[string, readonly Member[]]>([
    ["a path that leads out", [{ name: "../../../etc/plugin.wasm", content: HELLO }]],
    ["an absolute path", [{ name: "/usr/lib/plugin.wasm", content: HELLO }]],
    [
      "a link, then the file",
      [
        { name: "plugin.wasm", type: "2", link: "/etc/passwd" },
        { name: "x/plugin.wasm", content: HELLO },
      ],
    ],
    [
      "a folder, then the file",
      [
        { name: "plugin.wasm", type: "5" },
        { name: "plugin.wasm", content: HELLO },
      ],
    ],
    [
      "two files: the first counts, as in Istio",
      [
        { name: "a/plugin.wasm", content: HELLO },
        { name: "plugin.wasm", content: OTHER },
      ],
    ],
    [
      "a pax name",
      [
        { name: "pax", type: "x", content: "20 path=plugin.wasm\n" },
        { name: "y", content: HELLO },
      ],
    ],
  ])("is read without harm: %s", async (_case, members) => {
    expect(await pull(inTar(members))).toMatchObject({ moduleDigest: digestOf(HELLO) });
  });

  it("is read when its gzip has several members", async () => {
    const tar = tarOf([{ name: "plugin.wasm", content: HELLO }]);
    const bytes = Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))]);
    expect(await pull(inLayer(bytes))).toMatchObject({ moduleDigest: digestOf(HELLO) });
  });

  const tar = tarOf([{ name: "plugin.wasm", content: HELLO }]);
  it.each<[string, MadeImage, string]>([
    ["is not gzip", inLayer(tar), "LAYER_INVALID"],
    ["is zstd that calls itself gzip", inLayer(Buffer.from("28b52ffd04000100006121", "hex")), "LAYER_INVALID"],
    ["is cut off", inLayer(gzipSync(tar).subarray(0, -20)), "LAYER_INVALID"],
    ["has bytes after its end", inLayer(Buffer.concat([gzipSync(tar), Buffer.from("more")])), "LAYER_INVALID"],
    ["ends in the middle of the file", inLayer(gzipSync(tar.subarray(0, 600))), "LAYER_INVALID"],
    [
      "has a runtime config beyond all measure",
      inTar([
        { name: "plugin.wasm", content: HELLO },
        { name: "runtime-config.json", content: `{}${" ".repeat(2 << 20)}` },
      ]),
      "IMAGE_CONFIG_INVALID",
    ],
    [
      "keeps such a config in an annotation",
      {
        layers: [{ mediaType: MediaType.cncfModule, bytes: HELLO }],
        extra: { annotations: { "wasme.io/runtime-config": `{}${" ".repeat(2 << 20)}` } },
      },
      "IMAGE_CONFIG_INVALID",
    ],
    [
      "keeps a broken config there",
      {
        layers: [{ mediaType: MediaType.cncfModule, bytes: HELLO }],
        extra: { annotations: { "wasme.io/runtime-config": '{"type":1}' } },
      },
      "IMAGE_CONFIG_INVALID",
    ],
  ])("is refused and not named: it %s", async (_case, image, code) => {
    expect(await failure(pull(image))).toMatchObject({ code });
    expect(await store.names()).toEqual([]);
  });

  it("cannot unpack to any size", async () => {
    const zeros = gzipSync(Buffer.alloc(64 << 20));
    const head = gzipSync(Buffer.concat([tarOf([{ name: "big", content: "" }], { end: false }), claim(2 ** 40)]));
    const bytes = Buffer.concat([head, ...Array.from({ length: 18 }, () => zeros)]);
    expect(bytes.byteLength).toBeLessThan(2 << 20);
    const before = process.memoryUsage().rss;
    const error = await failure(pull(inLayer(bytes)));
    expect(error).toMatchObject({ code: "LAYER_INVALID" });
    expect(error.message).toContain("unpacks to more than");
    expect(process.memoryUsage().rss - before).toBeLessThan(256 << 20);
  });
});

/** A header of a file that claims to have `size` bytes, in GNU's form for large numbers. */
function claim(size: number): Buffer {
  const header = tarOf([{ name: "huge", content: "" }], { end: false });
  header.fill(0, 124, 136);
  header.writeUInt8(0x80, 124);
  header.writeBigUInt64BE(BigInt(size), 128);
  header.fill(0x20, 148, 156);
  const sum = header.subarray(0, 512).reduce((all, byte) => all + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

/** A registry that only has manifests: whoever asks for a blob fails the test. */
function manifestsOnly(bytes: Uint8Array): Remote {
  const descriptor = describeBytes(MediaType.ociManifest, bytes);
  const never = (): never => {
    throw new Error("a blob was asked for");
  };
  const repository = {
    fetchManifest: () => Promise.resolve({ descriptor, bytes }),
    fetch: never,
    push: never,
    resolve: never,
    pushManifest: never,
  };
  return { repository: () => repository };
}

describe("a manifest that is out to harm", () => {
  const { digest } = describeBytes("x", HELLO);
  const manifestOf = (layer: object): Buffer =>
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MediaType.ociManifest,
        config: { mediaType: MediaType.cncfConfig, digest, size: 2 },
        layers: [{ mediaType: MediaType.cncfModule, digest, size: 8, ...layer }],
      }),
    );

  it.each([
    ["a module of 2^50 bytes", { size: 2 ** 50 }, "MODULE_TOO_LARGE"],
    ["a size that is no whole number", { size: 1.5 }, "MANIFEST_INVALID"],
    ["a size below nothing", { size: -1 }, "MANIFEST_INVALID"],
    ["a size that is text", { size: "8" }, "MANIFEST_INVALID"],
    ["a digest in capitals", { digest: digest.toUpperCase() }, "MANIFEST_INVALID"],
    ["a digest that is a path", { digest: "sha256:../../../../etc/passwd" }, "MANIFEST_INVALID"],
    ["a digest of an unknown algorithm", { digest: `md5:${"a".repeat(32)}` }, "MANIFEST_INVALID"],
    ["a digest cut short", { digest: digest.slice(0, -1) }, "MANIFEST_INVALID"],
    ["a digest that is followed by more", { digest: `${digest}\n` }, "MANIFEST_INVALID"],
  ])("is refused before anything else is asked for: %s", async (_case, layer, code) => {
    const from = manifestsOnly(manifestOf(layer));
    const error = await failure(pullImage({ store, registry: from }, { reference: ref("h.io/x:v1") }));
    expect(error).toMatchObject({ code });
    expect(await store.names()).toEqual([]);
  });

  it.each([
    ["one layer of 10 TiB", [10 * 1024 ** 4]],
    ["many that are large together", Array.from({ length: 40 }, () => 128 * 1024 ** 2)],
  ])("is refused when what is beside the module would fill the disk: %s", async (_case, sizes) => {
    const others = sizes.map((size, at) => ({ mediaType: "text/markdown", digest: digestOf(`layer ${at}`), size }));
    const layers = [...others, { mediaType: MediaType.cncfModule, digest, size: 8 }];
    const config = { mediaType: MediaType.cncfConfig, digest, size: 2 };
    const manifest = { schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers };
    const from = manifestsOnly(Buffer.from(JSON.stringify(manifest)));
    const error = await failure(pullImage({ store, registry: from }, { reference: ref("h.io/x:v1") }));
    expect(error).toMatchObject({ code: "IMAGE_TOO_LARGE" });
  });

  it("may begin with a byte order mark: it is inspected as it is read", async () => {
    const made = await putImage(store, "h.io/plain:v1", {
      layers: [{ mediaType: MediaType.cncfModule, bytes: HELLO }],
    });
    const { bytes } = await store.manifest(made);
    const marked = Buffer.concat([Buffer.from("\uFEFF"), bytes]);
    const descriptor = describeBytes(MediaType.ociManifest, marked);
    await store.push(descriptor, bytesSource(marked));
    await store.tag("h.io/marked:v1", descriptor);
    const seen = await inspectImage({ store, registry }, { reference: ref("h.io/marked:v1"), from: "store" });
    expect(seen.moduleDigest).toBe(digestOf(HELLO));
  });

  it("cannot send us elsewhere: layers that may not be distributed are left alone", async () => {
    const foreign = {
      ...describeBytes("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Buffer.from("foreign")),
      urls: ["http://169.254.169.254/"],
    };
    const module = describeBytes(MediaType.cncfModule, HELLO);
    await putImage(registry.store, "h.io/x:v1", {
      layers: [{ mediaType: MediaType.cncfModule, bytes: HELLO }],
      extra: { layers: [foreign, module] },
    });
    const pulled = await pullImage({ store, registry }, { reference: ref("h.io/x:v1") });
    expect(pulled).toMatchObject({ moduleDigest: digestOf(HELLO), unchanged: false });
    expect(pulled.blobs.map((blob) => blob.digest)).not.toContain(foreign.digest);
    expect(registry.log).not.toContain(`fetch ${foreign.digest}`);
  });
});
