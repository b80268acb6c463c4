import { describe, expect, it } from "vitest";
import { digestOf } from "../../../src/domain/digest.ts";
import { MAX_MANIFEST, parseManifest } from "../../../src/domain/manifest.ts";
import { MediaType } from "../../../src/domain/media-types.ts";

const blob = { mediaType: "a/b", digest: digestOf("x"), size: 1 };
const image = { schemaVersion: 2, config: blob, layers: [blob] };
const index = {
  schemaVersion: 2,
  manifests: [{ ...blob, platform: { os: "linux", architecture: "amd64", variant: "v" } }],
};

function parse(value: unknown, mediaType?: string): ReturnType<typeof parseManifest> {
  return parseManifest(Buffer.from(JSON.stringify(value)), mediaType);
}

describe("parseManifest", () => {
  it("keeps the bytes as they came", () => {
    const bytes = Buffer.from(`  ${JSON.stringify({ ...image, unknown: 1 })}\n`);
    expect(parseManifest(bytes, MediaType.ociManifest)).toEqual({
      kind: "image",
      mediaType: MediaType.ociManifest,
      manifest: image,
      bytes,
    });
  });

  it.each([
    ["the type it came as", image, MediaType.dockerManifest, "image", MediaType.dockerManifest],
    ["a type with parameters", image, `${MediaType.ociManifest}; charset=utf-8`, "image", MediaType.ociManifest],
    [
      "the type inside when it came as anything",
      { ...image, mediaType: MediaType.dockerManifest },
      "text/plain",
      "image",
      MediaType.dockerManifest,
    ],
    ["its shape when nobody says", index, undefined, "index", MediaType.ociIndex],
    ["the manifest list of Docker", index, MediaType.dockerIndex, "index", MediaType.dockerIndex],
  ])("goes by %s", (_case, value, outer, kind, mediaType) => {
    expect(parse(value, outer)).toMatchObject({ kind, mediaType });
  });

  it("reads subject, artifact type, platform and annotations", () => {
    const full = { ...image, artifactType: "t/t", subject: blob, annotations: { a: "b" } };
    expect(parse(full)).toMatchObject({ manifest: { artifactType: "t/t", subject: blob, annotations: { a: "b" } } });
    expect(parse(index)).toMatchObject({
      index: { manifests: [{ platform: { os: "linux", architecture: "amd64" } }] },
    });
  });

  it.each([
    ["no JSON", "{", "not a JSON object"],
    ["a list", [], "not a JSON object"],
    ["no schema version", { config: blob, layers: [] }, "schemaVersion"],
    ["no config", { schemaVersion: 2, layers: [] }, '"config" is not a descriptor'],
    ["layers that are no list", { ...image, layers: {} }, '"layers" is not a list'],
    [
      "a digest that is a path",
      { ...image, config: { ...blob, digest: "sha256:../../etc/passwd" } },
      "no valid digest",
    ],
    ["an unknown algorithm", { ...image, config: { ...blob, digest: "md5:00" } }, "no valid digest"],
    ["a negative size", { ...image, layers: [{ ...blob, size: -1 }] }, '"layers[0]" has no valid size'],
    ["a broken size", { ...image, layers: [{ ...blob, size: 1.5 }] }, "no valid size"],
    ["no media type", { ...image, layers: [{ ...blob, mediaType: "" }] }, "no mediaType"],
    ["an annotation that is a number", { ...image, annotations: { a: 1 } }, "not a string"],
    ["both layers and manifests", { ...image, manifests: [] }, 'both "layers" and "manifests"'],
    ["too many layers", { ...image, layers: Array.from({ length: 5000 }, () => blob) }, "more than 4096"],
  ])("refuses %s", (_case, value, words) => {
    const bytes = Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
    expect(() => parseManifest(bytes, undefined)).toThrow(words);
    expect(() => parseManifest(bytes, undefined)).toThrow(expect.objectContaining({ code: "MANIFEST_INVALID" }));
  });

  it("refuses a type inside that contradicts the one outside", () => {
    const twoFaced = { ...image, mediaType: MediaType.ociManifest };
    expect(() => parse(twoFaced, MediaType.ociIndex)).toThrow("came as");
  });

  it("refuses Docker's schema 1 with advice, and things that are no manifest", () => {
    const unsupported = expect.objectContaining({ code: "MANIFEST_UNSUPPORTED", kind: "incompatible" });
    expect(() => parse({ schemaVersion: 1, fsLayers: [] })).toThrow(unsupported);
    expect(() => parse(image, MediaType.dockerManifestV1Signed)).toThrow(unsupported);
    expect(() => parse({ ...image, mediaType: "application/x" })).toThrow(unsupported);
  });

  it("refuses a huge one before parsing it", () => {
    expect(() => parseManifest(Buffer.alloc(MAX_MANIFEST + 1, 0x20), undefined)).toThrow("larger than");
  });
});
