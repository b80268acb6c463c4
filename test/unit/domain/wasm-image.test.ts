import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { digestOf } from "../../../src/domain/digest.ts";
import { parseManifest } from "../../../src/domain/manifest.ts";
import { MediaType } from "../../../src/domain/media-types.ts";
import type { RuntimeConfig } from "../../../src/domain/runtime-config.ts";
import { packCncf, packCompat, packOci } from "../../../src/domain/wasm-image.ts";

function sha256(data: string | Buffer): Buffer {
  return createHash("sha256").update(data).digest();
}

/** The module of a published check vector: a custom section of chained hashes. */
function vectorModule(): Uint8Array {
  const blocks = [sha256("seed")];
  for (let at = 0; blocks.length * 32 < 30_000; at += 1) blocks.push(sha256(blocks[at] ?? Buffer.alloc(0)));
  const content = Buffer.concat(blocks).subarray(0, 30_000);
  const header = Buffer.from("0061736d0100000000b4ea0103", "hex");
  return Buffer.concat([header, Buffer.from("pad"), content]);
}

const CONFIG: RuntimeConfig = {
  type: "envoy_proxy",
  abiVersions: ["v0-4689a30309abf31aee9ae36e73d34b1bb182685f", "v0.2.1"],
  config: { rootIds: ["add_header"] },
};

/** What the old tool wrote: the same manifest without its media type. */
function asOldTool(bytes: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(bytes).toString().replace(`"mediaType":"${MediaType.ociManifest}",`, ""));
}

describe("packing in the oci format", () => {
  const module = vectorModule();
  const facts = { digest: digestOf(module), size: module.byteLength };

  it("agrees with the old tool byte for byte, but for the media type", () => {
    expect(facts).toEqual({
      size: 30_016,
      digest: "sha256:6f8160e37bbac7cf4f08b042ea510d2ceda511392b8a403e2fc04ae8352b8b99",
    });
    const packed = packOci(facts, CONFIG);
    expect(packed.config.descriptor).toMatchObject({
      size: 129,
      digest: "sha256:3910b1646f0d8b897e95d189210ee98b234cdd1c1dd1a1781cb2e0a7fff59690",
    });
    const old = asOldTool(packed.bytes);
    expect(old.byteLength).toBe(856);
    expect(digestOf(old)).toBe("sha256:4631037d312085bfacd4ecead9a2c906f2053a754839964e0e996fe312dd015e");
    const empty = asOldTool(packOci(facts, {}).bytes);
    expect(digestOf(empty)).toBe("sha256:ceceb0ed1762cc5d82b508de47bf9d0fefa60937558613e791b8cc0e51d7f1d9");
  });

  it("lists the config as config and as the first of exactly two layers", () => {
    const packed = packOci(facts, CONFIG);
    const parsed = parseManifest(packed.bytes, MediaType.ociManifest);
    if (parsed.kind !== "image") throw new Error("not an image");
    expect(parsed.mediaType).toBe(MediaType.ociManifest);
    expect(parsed.manifest.layers).toHaveLength(2);
    expect(parsed.manifest.layers[0]).toEqual(parsed.manifest.config);
    expect(parsed.manifest.layers[1]).toEqual(packed.layer);
    expect(parsed.manifest.annotations).toEqual({
      "module.wasm.runtime/abi_version": "v0-4689a30309abf31aee9ae36e73d34b1bb182685f,v0.2.1",
      "module.wasm.runtime/type": "envoy_proxy",
    });
    expect(packed.manifest.digest).toBe(digestOf(packed.bytes));
  });

  it("escapes what the old tool escaped", () => {
    const packed = packOci(facts, { type: "a<b>&é\u2028", abiVersions: [] });
    expect(Buffer.from(packed.config.bytes).toString()).toBe(
      String.raw`{"type":"a\u003cb\u003e\u0026é\u2028","abiVersions":[]}`,
    );
    expect(Buffer.from(packed.bytes).toString()).toContain(
      String.raw`"annotations":{"module.wasm.runtime/abi_version":"","module.wasm.runtime/type":"a\u003cb\u003e\u0026é\u2028"}}`,
    );
  });
});

describe("packing in the compat format", () => {
  it("writes an ordinary image without a time", () => {
    const layer = { digest: digestOf("layer"), size: 5 };
    const packed = packCompat(layer, digestOf("tar"));
    expect(JSON.parse(Buffer.from(packed.config.bytes).toString())).toEqual({
      architecture: "amd64",
      os: "linux",
      config: {},
      rootfs: { type: "layers", diff_ids: [digestOf("tar")] },
    });
    const parsed = parseManifest(packed.bytes, undefined);
    expect(parsed).toMatchObject({
      kind: "image",
      manifest: {
        config: { mediaType: MediaType.ociConfig },
        layers: [{ mediaType: MediaType.ociTarGzip, ...layer }],
        annotations: { "module.wasm.image/variant": "compat" },
      },
    });
  });
});

const TIME = new Date(1_700_000_000_000);
const DATED = "2023-11-14T22:13:20Z";

describe("packing in the cncf format", () => {
  const module = { digest: digestOf("module"), size: 6 };

  it("writes the config its readers want, and one layer", () => {
    const packed = packCncf(module, undefined);
    expect(Buffer.from(packed.config.bytes).toString()).toBe(
      `{"created":"1970-01-01T00:00:00Z","architecture":"wasm","os":"wasip1","layerDigests":["${module.digest}"]}`,
    );
    expect(JSON.parse(Buffer.from(packed.bytes).toString())).toEqual({
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      config: packed.config.descriptor,
      layers: [{ mediaType: "application/wasm", ...module }],
    });
    expect(packed.config.descriptor.mediaType).toBe("application/vnd.wasm.config.v0+json");
    expect(packed.manifest.digest).toBe(digestOf(packed.bytes));
  });

  it("keeps the runtime config in an annotation, byte for byte", () => {
    const parsed = parseManifest(packCncf(module, CONFIG).bytes, undefined);
    if (parsed.kind !== "image") throw new Error("not an image");
    expect(parsed.manifest.annotations).toEqual({
      "module.wasm.runtime/abi_version": "v0-4689a30309abf31aee9ae36e73d34b1bb182685f,v0.2.1",
      "module.wasm.runtime/type": "envoy_proxy",
      "wasme.io/runtime-config": Buffer.from(packOci(module, CONFIG).config.bytes).toString(),
    });
  });
});

describe("annotations of the manifest an image is made from", () => {
  const blob = { digest: digestOf("blob"), size: 4 };
  const annotations = {
    "org.opencontainers.image.source": "https://example.com/<repo>",
    "module.wasm.runtime/type": "another",
    "module.wasm.runtime/abi_version": "v9",
    "module.wasm.image/variant": "compat",
    "wasme.io/runtime-config": "{}",
  };

  it.each([
    ["oci", packOci(blob, CONFIG, { annotations })],
    ["compat", packCompat(blob, digestOf("tar"), { annotations })],
    ["cncf", packCncf(blob, undefined, { annotations })],
  ])("are kept in %s, but for those about a format", (format, { bytes }) => {
    const parsed = parseManifest(bytes, undefined);
    if (parsed.kind !== "image") throw new Error("not an image");
    const found = parsed.manifest.annotations ?? {};
    expect(found["org.opencontainers.image.source"]).toBe("https://example.com/<repo>");
    const own = Object.entries(found).filter(([key]) => !key.startsWith("org."));
    expect(Object.fromEntries(own)).toEqual(
      {
        oci: {
          "module.wasm.runtime/abi_version": CONFIG.abiVersions?.join(","),
          "module.wasm.runtime/type": "envoy_proxy",
        },
        compat: { "module.wasm.image/variant": "compat" },
        cncf: {},
      }[format],
    );
  });
});

describe("a time of making", () => {
  const blob = { digest: digestOf("blob"), size: 4 };

  it("stands where the format has a place for it, and only when there is one", () => {
    const annotations = (bytes: Uint8Array): Record<string, string> =>
      (JSON.parse(Buffer.from(bytes).toString()) as { annotations?: Record<string, string> }).annotations ?? {};
    const configOf = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString());
    expect(annotations(packOci(blob, CONFIG, { created: TIME }).bytes)["org.opencontainers.image.created"]).toBe(DATED);
    expect(annotations(packOci(blob, CONFIG).bytes)).not.toHaveProperty(["org.opencontainers.image.created"]);
    expect(configOf(packCompat(blob, digestOf("tar"), { created: TIME }).config.bytes)).toMatchObject({
      created: DATED,
    });
    expect(configOf(packCompat(blob, digestOf("tar")).config.bytes)).not.toHaveProperty("created");
    expect(configOf(packCncf(blob, CONFIG, { created: TIME }).config.bytes)).toMatchObject({ created: DATED });
  });

  it("changes the digest, the same way every time", () => {
    const digests = [undefined, TIME, TIME].flatMap((time) => [
      packOci(blob, CONFIG, { created: time }).manifest.digest,
      packCompat(blob, digestOf("tar"), { created: time }).manifest.digest,
      packCncf(blob, CONFIG, { created: time }).manifest.digest,
    ]);
    expect(new Set(digests).size).toBe(6);
    expect(digests.slice(3, 6)).toEqual(digests.slice(6));
  });
});
