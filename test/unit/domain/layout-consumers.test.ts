import { describe, expect, it } from "vitest";
import { type Descriptor, describe as describeBytes } from "../../../src/domain/descriptor.ts";
import { consumersOf } from "../../../src/domain/layout-consumers.ts";
import { MediaType } from "../../../src/domain/media-types.ts";

/** A layer per media type; `=` in front makes it the same blob as the one before. */
function layersOf(types: readonly string[]): readonly Descriptor[] {
  let blob = 0;
  return types.map((type) => {
    if (!type.startsWith("=")) blob += 1;
    return describeBytes(type.replace("=", ""), Buffer.from(String(blob)));
  });
}

function accepted(config: string, types: readonly string[], mediaType: string = MediaType.ociManifest): string[] {
  const manifest = {
    schemaVersion: 2 as const,
    config: describeBytes(config, Buffer.from("c")),
    layers: layersOf(types),
  };
  return consumersOf(manifest, mediaType)
    .filter(({ accepts }) => accepts)
    .map(({ consumer }) => consumer);
}

const {
  soloConfig,
  soloModule,
  ociConfig,
  ociTarGzip,
  dockerConfig,
  dockerTarGzip,
  dockerManifest,
  cncfConfig,
  cncfModule,
} = MediaType;
const ISTIO = ["Istio", "Envoy Gateway", "Higress"];

describe("consumersOf", () => {
  it.each([
    ["solo, two layers", soloConfig, [soloConfig, soloModule], [...ISTIO, "wasme 0.0.33"]],
    ["solo, one layer", soloConfig, [soloModule], ["wasme 0.0.33", "wasmCloud"]],
    ["solo, three layers", soloConfig, [soloConfig, soloModule, "text/plain"], ["wasme 0.0.33"]],
    ["compat", ociConfig, [ociTarGzip], ISTIO],
    ["compat with docs first", ociConfig, ["text/markdown", ociTarGzip], ISTIO],
    ["CNCF", cncfConfig, [cncfModule], ["runwasi", "wasmCloud", "wkg"]],
    ["wasm-to-oci", MediaType.wasmToOciConfig, [MediaType.wasmToOciModule], []],
    ["hybrid", soloConfig, [soloConfig, soloModule, ociTarGzip], [...ISTIO, "wasme 0.0.33"]],
    ["application/wasm and tar+gzip last", cncfConfig, [cncfModule, ociTarGzip], [...ISTIO, "runwasi"]],
    [
      "one blob under two types, solo first",
      cncfConfig,
      [soloModule, `=${cncfModule}`],
      [...ISTIO, "runwasi", "wasmCloud"],
    ],
    ["one blob under two types, solo second", cncfConfig, [cncfModule, `=${soloModule}`], ["runwasi", "wasmCloud"]],
    ["solo with the empty config", MediaType.ociEmpty, [soloConfig, soloModule], [...ISTIO, "wasme 0.0.33"]],
    ["zstd", ociConfig, ["application/vnd.oci.image.layer.v1.tar+zstd"], []],
    ["nothing", ociConfig, [], []],
  ])("%s", (_case, config, types, expected) => {
    expect(accepted(config, types)).toEqual(expected);
  });

  it("takes Docker's types only in Docker's manifest", () => {
    expect(accepted(dockerConfig, [dockerTarGzip], dockerManifest)).toEqual(ISTIO);
    expect(accepted(dockerConfig, [dockerTarGzip])).toEqual([]);
    expect(accepted(dockerConfig, [ociTarGzip], dockerManifest)).toEqual([]);
  });

  it("says why not", () => {
    const config = describeBytes(soloConfig, Buffer.from("c"));
    const verdicts = consumersOf({ schemaVersion: 2, config, layers: layersOf([soloModule]) }, MediaType.ociManifest);
    expect(verdicts[0]).toEqual({
      consumer: "Istio",
      accepts: false,
      reason: "it needs two layers, or tar+gzip as the last one; there are 1",
    });
  });
});
