import { describe, expect, it } from "vitest";
import { describe as describeBytes } from "../../../src/domain/descriptor.ts";
import type { OciManifest } from "../../../src/domain/manifest.ts";
import { MediaType } from "../../../src/domain/media-types.ts";
import { findModule, isInFormat } from "../../../src/domain/wasm-layout.ts";

const { soloConfig, soloModule, ociConfig, ociTarGzip, dockerTarGzip, cncfConfig, cncfModule } = MediaType;

/** An image with one blob per layer; `=` in front makes it the same blob as the one before. */
function imageOf(config: string, types: readonly string[]): OciManifest {
  let blob = 0;
  const layers = types.map((type) => {
    if (!type.startsWith("=")) blob += 1;
    return describeBytes(type.replace("=", ""), Buffer.from(String(blob)));
  });
  return {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: describeBytes(config, Buffer.from("c")),
    layers,
  };
}

describe("isInFormat", () => {
  it.each<[string, string, readonly string[], readonly string[]]>([
    ["the artifact of two layers", soloConfig, [soloConfig, soloModule], ["oci"]],
    ["the same, reversed", soloConfig, [soloModule, soloConfig], ["oci"]],
    ["the same with the empty config", MediaType.ociEmpty, [soloConfig, soloModule], ["oci"]],
    ["one layer", soloConfig, [soloModule], []],
    ["three layers", soloConfig, [soloConfig, soloModule, "text/markdown"], []],
    ["hybrid", soloConfig, [soloConfig, soloModule, ociTarGzip], []],
    ["compat", ociConfig, [ociTarGzip], ["compat"]],
    ["docs and compat last", ociConfig, ["text/markdown", ociTarGzip], ["compat"]],
    ["Docker's types", MediaType.dockerConfig, [dockerTarGzip], ["compat"]],
    ["compat first", ociConfig, [ociTarGzip, "text/markdown"], []],
    ["application/wasm and tar+gzip last", cncfConfig, [cncfModule, ociTarGzip], []],
    ["CNCF", cncfConfig, [cncfModule], ["cncf"]],
    ["CNCF with another config", ociConfig, [cncfModule], []],
    ["CNCF with two layers", cncfConfig, [cncfModule, `=${soloModule}`], []],
    ["wasm-to-oci", MediaType.wasmToOciConfig, [MediaType.wasmToOciModule], []],
    ["nothing", ociConfig, [], []],
  ])("%s", (_case, config, types, expected) => {
    const manifest = imageOf(config, types);
    expect((["oci", "compat", "cncf"] as const).filter((format) => isInFormat(manifest, format))).toEqual(expected);
  });
});

it("an artifact without a media type, as the old wasme pushed it, is in no format: some registries refuse it", () => {
  const { mediaType: _, ...old } = imageOf(soloConfig, [soloConfig, soloModule]);
  expect(isInFormat(old, "oci")).toBe(false);
});

describe("findModule", () => {
  it("compares media types without parameters and case", () => {
    const layers = [describeBytes("Application/WASM; charset=binary", Buffer.from("m"))];
    const found = findModule({ ...imageOf(cncfConfig, []), layers }, "x");
    expect(found).toMatchObject({ format: "cncf", packing: "raw", ambiguous: false });
  });

  it("takes one blob listed twice for one module", () => {
    expect(findModule(imageOf(cncfConfig, [cncfModule, `=${cncfModule}`]), "x")).toMatchObject({ ambiguous: false });
    expect(() => findModule(imageOf(cncfConfig, [cncfModule, cncfModule]), "x")).toThrow("2 layers of type");
  });

  it("says when another reader may take another module", () => {
    const ambiguous = (types: readonly string[]): boolean => findModule(imageOf(soloConfig, types), "x").ambiguous;
    expect(ambiguous([soloModule, `=${cncfModule}`])).toBe(false);
    expect(ambiguous([soloModule, cncfModule])).toBe(true);
    expect(ambiguous([soloConfig, soloModule, ociTarGzip])).toBe(true);
    expect(ambiguous([soloConfig, soloModule, "text/markdown"])).toBe(false);
  });
});
