import { describe, expect, it } from "vitest";
import { type Descriptor, describe as describeBytes } from "../../../src/domain/descriptor.ts";
import { type ConsumedImage, type ConsumerVerdict, consumersOf } from "../../../src/domain/layout-consumers.ts";
import type { OciIndex, OciManifest } from "../../../src/domain/manifest.ts";
import { MediaType } from "../../../src/domain/media-types.ts";

/** A layer per media type; `=` in front makes it the same blob as the one before. */
function layersOf(types: readonly string[]): readonly Descriptor[] {
  let blob = 0;
  return types.map((type) => {
    if (!type.startsWith("=")) blob += 1;
    return describeBytes(type.replace("=", ""), Buffer.from(String(blob)));
  });
}

function manifestOf(config: string, types: readonly string[]): OciManifest {
  return { schemaVersion: 2, config: describeBytes(config, Buffer.from("c")), layers: layersOf(types) };
}

function verdicts(
  config: string,
  types: readonly string[],
  more: Partial<ConsumedImage> = {},
): readonly ConsumerVerdict[] {
  return consumersOf({ manifest: manifestOf(config, types), mediaType: MediaType.ociManifest, ...more });
}

/** One letter per consumer, in order: `y` accepts, `n` refuses, `?` unknown. */
function letters(found: readonly ConsumerVerdict[]): string {
  return found.map(({ verdict }) => ({ accepts: "y", refuses: "n", unknown: "?" })[verdict]).join("");
}

const {
  soloConfig,
  soloModule,
  ociConfig,
  ociEmpty,
  ociTarGzip,
  dockerConfig,
  dockerTarGzip,
  dockerManifest,
  cncfConfig,
  cncfModule,
  componentModule,
} = MediaType;
const SPEC = "application/vnd.module.wasm.spec.v1+yaml";
const DOC = "application/vnd.module.wasm.doc.v1+markdown";
const WASIP1 = { os: "wasip1", architecture: "wasm" };
const AMD64 = { os: "linux", architecture: "amd64" };

const indexOf = (platform: Descriptor["platform"]): OciIndex => ({
  schemaVersion: 2,
  manifests: [{ ...describeBytes(MediaType.ociManifest, Buffer.from("m")), ...(platform && { platform }) }],
});

describe("consumersOf", () => {
  it("names everybody, in this order", () => {
    expect(verdicts(soloConfig, []).map(({ consumer }) => consumer)).toEqual([
      "Istio",
      "Envoy Gateway",
      "Higress",
      "wasme 0.0.33",
      "runwasi",
      "wasmCloud",
      "wkg",
      "Docker, podman",
      "Google Service Extensions",
    ]);
  });

  // Istio, Envoy Gateway, Higress | wasme | runwasi, wasmCloud, wkg | Docker | Google
  it.each([
    ["solo, two layers", soloConfig, [soloConfig, soloModule], "yyy y nnn n ?"],
    ["solo, one layer", soloConfig, [soloModule], "nnn y nyn n ?"],
    ["solo, three layers", soloConfig, [soloConfig, soloModule, "text/plain"], "nnn y nnn n ?"],
    ["compat", ociConfig, [ociTarGzip], "yyy n ynn y y"],
    ["docs layers and compat last", ociConfig, [SPEC, DOC, ociTarGzip], "yyy n ?nn n ?"],
    ["a base layer and compat last", ociConfig, [ociTarGzip, ociTarGzip], "yyy n ynn y ?"],
    ["CNCF", cncfConfig, [cncfModule], "nnn n yyy n n"],
    ["CNCF with two layers", cncfConfig, [cncfModule, cncfModule], "nnn n yyn n n"],
    ["wasm-to-oci", MediaType.wasmToOciConfig, [MediaType.wasmToOciModule], "nnn n nnn n n"],
    ["component builder", ociConfig, [componentModule], "nnn n ynn n n"],
    ["hybrid", soloConfig, [soloConfig, soloModule, ociTarGzip], "yyy y nnn n ?"],
    ["application/wasm and tar+gzip last", cncfConfig, [cncfModule, ociTarGzip], "yyy n ynn n ?"],
    ["the same in an image config", ociConfig, [cncfModule, ociTarGzip], "yyy n ynn n ?"],
    ["one blob under two types, solo first", cncfConfig, [soloModule, `=${cncfModule}`], "yyy n yyn n n"],
    ["one blob under two types, solo second", cncfConfig, [cncfModule, `=${soloModule}`], "nnn n yyn n n"],
    ["solo with the empty config", ociEmpty, [soloConfig, soloModule], "yyy y nnn n ?"],
    ["zstd", ociConfig, ["application/vnd.oci.image.layer.v1.tar+zstd"], "nnn n ynn y n"],
    ["nothing", ociConfig, [], "nnn n nnn n n"],
  ])("%s", (_case, config, types, expected) => {
    expect(letters(verdicts(config, types))).toBe(expected.replaceAll(" ", ""));
  });

  it("takes Docker's types only in Docker's manifest", () => {
    const docker = { mediaType: dockerManifest };
    expect(letters(verdicts(dockerConfig, [dockerTarGzip], docker))).toBe("yyynynnyy");
    expect(letters(verdicts(dockerConfig, [dockerTarGzip]))).toBe("nnnnynnyy");
    expect(letters(verdicts(dockerConfig, [ociTarGzip], docker))).toBe("nnnnynnyy");
  });

  it.each([
    ["CNCF for a wasm platform", cncfConfig, [cncfModule], WASIP1, "nnn n yy? n n"],
    ["CNCF for linux/amd64", cncfConfig, [cncfModule], AMD64, "nnn n ??? n n"],
    ["solo for a wasm platform", soloConfig, [soloConfig, soloModule], WASIP1, "nnn n nnn n n"],
    ["solo for linux/amd64", soloConfig, [soloConfig, soloModule], AMD64, "yyy n nnn n ?"],
    ["compat for linux/amd64", ociConfig, [ociTarGzip], AMD64, "yyy n ynn y y"],
    ["compat without a platform", ociConfig, [ociTarGzip], undefined, "yyy n ynn y y"],
  ])("an index: %s", (_case, config, types, platform, expected) => {
    expect(letters(verdicts(config, types, { index: indexOf(platform) }))).toBe(expected.replaceAll(" ", ""));
  });

  it("knows the limits of size and the name of the file", () => {
    const mebibytes = (count: number): Partial<ConsumedImage> => ({ moduleSize: count * 1024 * 1024 });
    expect(letters(verdicts(ociConfig, [ociTarGzip], mebibytes(2)))).toBe("yyynynnyy");
    expect(letters(verdicts(ociConfig, [ociTarGzip], mebibytes(3)))).toBe("yyynynnyn");
    expect(letters(verdicts(ociConfig, [ociTarGzip], mebibytes(256)))).toBe("yyynynnyn");
    const large = verdicts(ociConfig, [ociTarGzip], mebibytes(257));
    expect(letters(large)).toBe("nnnnynnyn");
    expect(large[0]?.reason).toBe("it reads at most 256 MiB of a module");
    const hybrid = verdicts(soloConfig, [soloConfig, soloModule, ociTarGzip], { pluginInLast: false });
    expect(letters(hybrid)).toBe("nnnynnnnn");
    expect(hybrid[0]?.reason).toContain("no file plugin.wasm");
  });

  it("says why not, what is not known, and what to mind", () => {
    const [istio, , , , , wasmCloud, , engines, google] = verdicts(soloConfig, [soloModule]);
    expect(istio).toEqual({
      consumer: "Istio",
      accepts: false,
      verdict: "refuses",
      reason: "it needs two layers, or tar+gzip as the last one; there are 1",
    });
    expect(wasmCloud).toEqual({
      consumer: "wasmCloud",
      accepts: true,
      verdict: "accepts",
      note: "the type of the layer is deprecated there",
    });
    expect(engines).toMatchObject({ accepts: false, reason: expect.stringContaining(soloConfig) });
    expect(google).toMatchObject({ accepts: false, verdict: "unknown", reason: expect.stringContaining("documented") });
  });

  it("gives a reason exactly where it does not accept", () => {
    for (const types of [[soloConfig, soloModule], [soloModule], [ociTarGzip], [cncfModule], ["text/plain"]]) {
      for (const config of [soloConfig, ociConfig, cncfConfig, ociEmpty]) {
        for (const { verdict, accepts, reason } of verdicts(config, types)) {
          expect(accepts).toBe(verdict === "accepts");
          expect(reason === undefined).toBe(accepts);
        }
      }
    }
  });
});
