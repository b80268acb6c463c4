import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Descriptor } from "../../src/domain/descriptor.ts";
import { describe as describeBytes } from "../../src/domain/descriptor.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { bytesSource } from "../../src/domain/content.ts";
import { findModule } from "../../src/domain/wasm-layout.ts";
import { openModule } from "../../src/images/read-image.ts";
import { gather } from "../support/archives.ts";
import { failure } from "../support/failure.ts";
import type { AuthScript } from "../support/fault-auth.ts";
import { type Bench, openBench } from "../support/fault-bench.ts";
import { type TestImage, testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";
import { type MadeImage, putImage } from "../support/layouts.ts";
import { longNameMember, paxMember, type RawMember, rawTar } from "../support/raw-tar.ts";

/** Content that means harm; numbered after the list of cases a client is judged by. */

const image: TestImage = testImage(5000, "cases");
const MODULE: Uint8Array = testImage(3000, "the module").module;
const DECOY: Uint8Array = testImage(3000, "a decoy").module;
const MIB = 2 ** 20;
const basic: AuthScript = { kind: "basic", username: "alice", password: "s3cret" };
const bearer: AuthScript = { ...basic, kind: "bearer" };

/** How a pull was refused, `CODE: message`; also tells when anything but verified content is here, or a name. */
async function refusal(bench: Bench): Promise<string> {
  const error = await failure(bench.pull());
  const { names, faults } = bench.inspect();
  const left = [...names, ...faults, ...(error.message.length > 1000 ? ["a message without end"] : [])];
  return `${left.length === 0 ? "" : `LEFT BEHIND ${left.join(", ")}; `}${error.code}: ${error.message}`;
}

describe("20. an answer of any size is capped", () => {
  it.each([
    ["an endless manifest", "manifest.get", undefined, { "content-type": MediaType.ociManifest }, 4],
    ["a manifest announced as 100 MB", "manifest.get", undefined, { "content-length": "104857600" }, 4],
    ["an endless token", "token", bearer, { "content-type": "application/json" }, 0.125],
    ["a token announced as 100 MB", "token", bearer, { "content-length": "104857600" }, 0.125],
  ] as const)("%s: given up, the connection too", async (_what, kind, auth, head, limitMib) => {
    const bench = await openBench(auth === undefined ? {} : { auth });
    const taken = { bytes: 0 };
    bench.registry.on(kind, fault.endless(head, taken));
    expect(await refusal(bench)).toMatch(/^BODY_TOO_LARGE: /u);
    // What lies in the buffers of both sides and of the system between them was never ours.
    expect(taken.bytes).toBeLessThan((limitMib + 16) * MIB);
    expect(bench.registry.count(kind)).toBe(1);
  });

  it("an endless error: the status counts, its text is left", async () => {
    const bench = await openBench();
    const taken = { bytes: 0 };
    bench.registry.on("manifest.get", fault.endlessWith(400, taken));
    expect(await refusal(bench)).toMatch(/^REGISTRY_REFUSED: /u);
    expect(taken.bytes).toBeLessThan(16 * MIB);
  });

  it("an endless blob: stopped behind the size of its descriptor", async () => {
    const bench = await openBench();
    await bench.publish(image);
    const taken = { bytes: 0 };
    bench.registry.on(({ path }) => path.endsWith(image.moduleDescriptor.digest), fault.endless({}, taken));
    expect(await refusal(bench)).toMatch(/^BLOB_DAMAGED: /u);
    expect(taken.bytes).toBeLessThan(16 * MIB);
  });

  it("an answer to an upload without end: not read", async () => {
    const bench = await openBench({ auth: basic });
    bench.registry.on("upload.put", fault.endlessWith(201, { bytes: 0 }));
    const error = await failure(bench.push(image));
    expect(error.kind).toBe("failed");
  });
});

/** 64 MiB of zeros, a thousandth of that packed. */
const BOMB: Buffer = gzipSync(Buffer.alloc(64 * MIB));

describe("21. an encoded blob", () => {
  it.each([
    ["gzip", (bytes: Buffer) => gzipSync(bytes)],
    ["a gzip bomb", () => BOMB],
    ["br", (bytes: Buffer) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 0 } })],
  ])("%s: identity was asked for, it is never inflated", async (what, encode) => {
    const bench = await openBench();
    await bench.publish(image);
    bench.registry.on(
      "blob.get",
      fault.change((answer) => {
        const body = encode(answer.body);
        const encoding = what === "br" ? "br" : "gzip";
        const headers = { ...answer.headers, "content-encoding": encoding, "content-length": String(body.byteLength) };
        return { headers, body };
      }),
    );
    expect(await refusal(bench)).toMatch(/^BODY_ENCODED: /u);
    expect(bench.registry.requests.every(({ headers }) => headers["accept-encoding"] === "identity")).toBe(true);
  });

  it("a manifest so encoded: refused as well", async () => {
    const bench = await openBench();
    await bench.publish(image);
    bench.registry.on("manifest.get", fault.gzip());
    expect(await refusal(bench)).toMatch(/^BODY_ENCODED: /u);
  });
});

it("29. urls on a layer: ignored, the registry is asked", async () => {
  const bench = await openBench();
  const urls = [
    `${bench.registry.elsewhere}/v2/demo/filter/blobs/${image.moduleDescriptor.digest}`,
    "http://169.254.169.254/",
  ];
  const layer = { ...image.moduleDescriptor, urls } as Descriptor;
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: image.configDescriptor,
    layers: [image.configDescriptor, layer],
  };
  await bench.publish(image);
  await publishManifest(bench, manifest);
  await bench.pull();
  expect(bench.registry.requests.every(({ origin }) => origin === "registry")).toBe(true);
  expect(bench.registry.count("blob.get")).toBe(2);
});

/** Archives that try to be taken for something else, each with the module they must give. */
const TAKEN: readonly (readonly [string, readonly RawMember[]])[] = [
  ["../ before its name", [{ name: "../../../plugin.wasm", content: MODULE }]],
  ["an absolute name", [{ name: "/etc/plugin.wasm", content: MODULE }]],
  [
    "a symbolic link of that name first",
    [
      { name: "plugin.wasm", type: "2", link: "/etc/passwd" },
      { name: "a/plugin.wasm", content: MODULE },
    ],
  ],
  [
    "a hard link of that name first",
    [
      { name: "plugin.wasm", type: "1", link: "other" },
      { name: "a/plugin.wasm", content: MODULE },
    ],
  ],
  [
    "devices and a pipe of that name first",
    [...["3", "4", "6"].map((type) => ({ name: "plugin.wasm", type })), { name: "plugin.wasm", content: MODULE }],
  ],
  [
    "a folder of that name first",
    [
      { name: "plugin.wasm", type: "5" },
      { name: "plugin.wasm/plugin.wasm", content: MODULE },
    ],
  ],
  [
    "two of that name",
    [
      { name: "a/plugin.wasm", content: MODULE },
      { name: "plugin.wasm", content: DECOY },
    ],
  ],
  [
    "a name in a pax header",
    [
      paxMember({ path: "deep/plugin.wasm" }),
      { name: "cut", content: MODULE },
      { name: "plugin.wasm", content: DECOY },
    ],
  ],
  [
    "another name in a pax header",
    [paxMember({ path: "not-it" }), { name: "plugin.wasm", content: DECOY }, { name: "plugin.wasm", content: MODULE }],
  ],
  ["a GNU long name", [longNameMember(`${"d/".repeat(120)}plugin.wasm`), { name: "cut", content: MODULE }]],
  ["a seventh-edition header", [{ name: "plugin.wasm", type: "\u0000", content: MODULE, magic: "v7" }]],
  [
    "names that only contain it",
    [
      { name: "xplugin.wasm", content: DECOY },
      { name: "plugin.wasm.bak", content: DECOY },
      { name: "PLUGIN.WASM", content: DECOY },
      { name: "plugin.wasm", content: MODULE },
    ],
  ],
];

it.each(TAKEN)(
  "30. a compat archive with %s: the regular plugin.wasm by base name, the first",
  async (_what, members) => {
    const bench = await openBench();
    await publish(bench, packed(rawTar(members)));
    const result = await bench.pull();
    expect(result.moduleDigest).toBe(describeBytes("x", MODULE).digest);
    expect(await moduleHere(bench)).toEqual(Buffer.from(MODULE));
    expect(bench.inspect().faults).toEqual([]);
  },
);

const TAR: Buffer = rawTar([{ name: "plugin.wasm", content: MODULE }]);

it.each([
  ["a sparse file", rawTar([paxMember({ "GNU.sparse.major": "1" }), { name: "plugin.wasm", content: MODULE }])],
  ["a size of 2^40 in its header", rawTar([{ name: "plugin.wasm", content: MODULE, claimed: 2 ** 40 }])],
  [
    "a size of 2^40 in a pax header",
    rawTar([paxMember({ size: String(2 ** 40) }), { name: "plugin.wasm", content: MODULE }]),
  ],
  ["a size of 2^60 in its header", rawTar([{ name: "other", content: "x", claimed: 2 ** 60 }])],
  [
    "a pax header of 100 MB",
    rawTar([
      { name: "x", type: "x", content: "", claimed: 100 * MIB },
      { name: "plugin.wasm", content: MODULE },
    ]),
  ],
  ["its end cut off", TAR.subarray(0, 1500)],
  ["its first header cut off", TAR.subarray(0, 100)],
  ["a header that does not add up", Buffer.concat([TAR.subarray(0, 3), Buffer.from("X"), TAR.subarray(4)])],
  ["no module", rawTar([{ name: "readme", content: "hello" }])],
  ["nothing", Buffer.alloc(1024)],
])("30. a compat archive with %s: refused, nothing named", async (_what, tar) => {
  const bench = await openBench();
  await publish(bench, packed(tar));
  expect(await refusal(bench)).toMatch(/^(?:LAYER_INVALID|LAYOUT_UNKNOWN): /u);
});

it.each([
  ["zeros", Buffer.alloc(4096)],
  ["noise behind its end", Buffer.alloc(5000, "noise")],
])("30. a compat archive followed by %s: the module it holds", async (_what, more) => {
  const bench = await openBench();
  await publish(bench, packed(Buffer.concat([TAR, more])));
  expect((await bench.pull()).moduleDigest).toBe(describeBytes("x", MODULE).digest);
});

describe("31. a packed layer", () => {
  it("that unpacks to a thousand times its size: stopped at the limit, memory capped", async () => {
    const bench = await openBench();
    // Several gzip members are one stream: the bomb is repeated until the file in the archive is complete.
    const times = 24;
    const head = rawTar([{ name: "padding", claimed: times * 64 * MIB }], Buffer.alloc(0));
    const bytes = Buffer.concat([gzipSync(head), ...Array<Buffer>(times).fill(BOMB), gzipSync(TAR)]);
    expect((times * 64 * MIB) / bytes.byteLength).toBeGreaterThan(900);
    const layer = { mediaType: MediaType.ociTarGzip, bytes };
    await publish(bench, layer);
    const before = process.memoryUsage.rss();
    const error = await failure(bench.pull());
    expect(error).toMatchObject({ code: "LAYER_INVALID" });
    expect(error.message).toMatch(/unpacks to more than \d+ bytes/u);
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 * MIB);
    expect(bench.inspect()).toEqual({ names: [], faults: [] });
  });

  it("of several gzip members: read as one, as proxies do", async () => {
    const bench = await openBench();
    const parts = [TAR.subarray(0, 700), TAR.subarray(700)].map((part) => gzipSync(part));
    await publish(bench, { mediaType: MediaType.ociTarGzip, bytes: Buffer.concat(parts) });
    expect((await bench.pull()).moduleDigest).toBe(describeBytes("x", MODULE).digest);
  });

  it.each([
    ["cut off", gzipSync(TAR).subarray(0, -20)],
    ["with a wrong checksum", flipped(gzipSync(TAR), -6)],
    ["followed by noise", Buffer.concat([gzipSync(TAR), Buffer.alloc(100, "noise")])],
    ["not compressed at all", TAR],
    ["in zstd", Buffer.from("28b52ffd0458110000706c7567696e", "hex")],
    ["empty", Buffer.alloc(0)],
  ])("%s: a clear error", async (_what, bytes) => {
    const bench = await openBench();
    await publish(bench, { mediaType: MediaType.ociTarGzip, bytes });
    expect(await refusal(bench)).toMatch(/^(?:LAYER_INVALID|LAYOUT_UNKNOWN): /u);
  });

  it("of a zstd media type: refused before it is fetched", async () => {
    const bench = await openBench();
    await publish(bench, {
      mediaType: "application/vnd.oci.image.layer.v1.tar+zstd",
      bytes: Buffer.from("28b52ffd", "hex"),
    });
    expect(await refusal(bench)).toMatch(/^LAYOUT_UNKNOWN: .*zstd/u);
    expect(bench.registry.count("blob.get")).toBe(0);
  });
});

const linux = { os: "linux", architecture: "amd64" };
const arm = { os: "linux", architecture: "arm64" };

describe("32. an index", () => {
  it.each([
    ["with no child", [], "PLATFORM_MISSING"],
    [
      "with children for other platforms",
      [{ platform: arm }, { platform: { os: "windows", architecture: "amd64" } }],
      "PLATFORM_MISSING",
    ],
  ] as const)("%s: refused", async (_what, children, code) => {
    const bench = await openBench();
    await bench.publish(image);
    await publishIndex(
      bench,
      children.map((child) => ({ ...image.manifestDescriptor, ...child })),
    );
    expect(await refusal(bench)).toMatch(new RegExp(`^${code}: .*linux/amd64`, "u"));
    expect(bench.registry.count("blob.get")).toBe(0);
  });

  it.each([
    ["one child without platform", [{}]],
    ["one child for linux/amd64", [{ platform: linux }]],
    [
      "n children, one of them for linux/amd64",
      [{ platform: arm, digest: describeBytes("x", Buffer.from("arm")).digest }, { platform: linux }],
    ],
  ])("with %s: that child", async (_what, children) => {
    const bench = await openBench();
    await bench.publish(image);
    await publishIndex(
      bench,
      children.map((child) => ({ ...image.manifestDescriptor, ...child })),
    );
    expect((await bench.pull()).manifestDigest).toBe(image.manifestDescriptor.digest);
    expect(bench.registry.count("manifest.get")).toBe(2);
  });

  it("in indexes without end: stopped", async () => {
    const bench = await openBench();
    let inner: Descriptor = image.manifestDescriptor;
    await bench.publish(image);
    for (let depth = 0; depth < 30; depth += 1) inner = await publishIndex(bench, [inner], `${depth}`);
    expect(await refusal(bench)).toMatch(/^LAYOUT_UNKNOWN: .*index/u);
    expect(bench.registry.count("manifest.get")).toBeLessThan(10);
  });

  it("that is said to be its own child: found out by the digest", async () => {
    const bench = await openBench();
    const child = { mediaType: MediaType.ociIndex, digest: image.manifestDescriptor.digest, size: 100 };
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [child] }));
    bench.registry.on(
      "manifest.get",
      fault.change(() => ({ status: 200, headers: { "content-type": MediaType.ociIndex }, body: bytes })),
    );
    expect(await refusal(bench)).toMatch(/^MANIFEST_DAMAGED: /u);
    expect(bench.registry.count("manifest.get")).toBe(2);
  });
});

const HEX = "a".repeat(64);

it.each([
  ["in upper case", `sha256:${HEX.toUpperCase()}`],
  ["too short", "sha256:abc"],
  ["too long", `sha256:${HEX}0`],
  ["of an unknown algorithm", `md5:${"a".repeat(32)}`],
  ["of a made-up algorithm", `sha256+b64u:${"a".repeat(43)}`],
  ["that climbs", "sha256:../../../../etc/passwd"],
  ["that climbs by its algorithm", `../../sha256:${HEX}`],
  ["with a line break", `sha256:${HEX}\n`],
  ["that is empty", ""],
])("33. a digest %s: refused before any path or URL is made of it", async (_what, digest) => {
  const bench = await openBench();
  await bench.publish(image);
  const layers = [image.configDescriptor, { ...image.moduleDescriptor, digest }];
  const manifest = { schemaVersion: 2, mediaType: MediaType.ociManifest, config: image.configDescriptor, layers };
  const body = Buffer.from(JSON.stringify(manifest));
  bench.registry.on(
    "manifest.get",
    fault.change(() => ({ status: 200, headers: { "content-type": MediaType.ociManifest }, body })),
  );
  expect(await refusal(bench)).toMatch(/^MANIFEST_INVALID: /u);
  expect(bench.registry.count("blob.get")).toBe(0);
});

it("33. a sha512 digest: taken, and verified as such", async () => {
  const bench = await openBench();
  const { createHash } = await import("node:crypto");
  const digest = `sha512:${createHash("sha512").update(image.module).digest("hex")}` as Descriptor["digest"];
  const descriptor = { ...image.moduleDescriptor, digest };
  await bench.registry.store.push(descriptor, bytesSource(image.module));
  await bench.registry.store.push(image.configDescriptor, bytesSource(image.config));
  const layers = [image.configDescriptor, descriptor];
  await publishManifest(bench, {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: image.configDescriptor,
    layers,
  });
  await bench.pull();
  expect((await gather(bench.local.fetch(descriptor))).equals(image.module)).toBe(true);
  const other = await openBench();
  await other.registry.store.push(descriptor, bytesSource(image.module));
  await other.registry.store.push(image.configDescriptor, bytesSource(image.config));
  await publishManifest(other, {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: image.configDescriptor,
    layers,
  });
  other.registry.on(({ path }) => path.includes("sha512"), fault.wrongByte());
  expect(await refusal(other)).toMatch(/^BLOB_DAMAGED: /u);
});

/** A packed layer with this archive. */
function packed(tar: Uint8Array): MadeImage["layers"][number] {
  return { mediaType: MediaType.ociTarGzip, bytes: gzipSync(tar) };
}

async function publish({ registry }: Bench, layer: MadeImage["layers"][number]): Promise<void> {
  const config = { mediaType: MediaType.ociConfig, bytes: Buffer.from('{"architecture":"amd64","os":"linux"}') };
  await putImage(registry.store, "registry/demo/filter:v1", { config, layers: [layer] });
}

async function publishManifest({ registry }: Bench, manifest: Readonly<Record<string, unknown>>): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(manifest));
  const descriptor = describeBytes(String(manifest["mediaType"]), bytes);
  await registry.store.push(descriptor, bytesSource(bytes));
  await registry.store.tag(`registry/demo/filter@${descriptor.digest}`, descriptor);
  await registry.store.tag("registry/demo/filter:v1", descriptor);
  return descriptor;
}

function publishIndex(bench: Bench, manifests: readonly object[], note = ""): Promise<Descriptor> {
  return publishManifest(bench, {
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    manifests,
    annotations: { note },
  });
}

/** The module of the pulled image, read from the local store. */
async function moduleHere(bench: Bench): Promise<Buffer> {
  const { local } = bench;
  const descriptor = await local.resolve(bench.reference());
  if (descriptor === undefined) throw new Error("nothing was pulled");
  const parsed = await local.manifest(descriptor);
  if (parsed.kind !== "image") throw new Error("an index was pulled");
  return await gather(openModule(local, findModule(parsed.manifest, "it"), { where: "it" }));
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  const index = copy.byteLength + at;
  copy[index] = (copy[index] ?? 0) ^ 0xff;
  return copy;
}
