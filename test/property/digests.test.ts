import { relative, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isDigest, parseDigest } from "../../src/domain/digest.ts";
import { WasmeError } from "../../src/domain/errors.ts";
import { type OciIndex, parseDescriptor, parseManifest, referencedBy } from "../../src/domain/manifest.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { chooseChild } from "../../src/domain/wasm-layout.ts";
import { blobPath, layoutPaths } from "../../src/store/layout.ts";

/** Digests, manifests and indexes of strangers: sound, or refused before a path or URL is made of them. */

const HEX = "0123456789abcdef";
const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...Array.from(HEX)), minLength: length, maxLength: length });
const sound = fc.oneof(
  hex(64).map((text) => `sha256:${text}`),
  hex(128).map((text) => `sha512:${text}`),
);

/** Nearly digests, and what has been tried elsewhere. */
const odd = fc.oneof(
  fc.string({ maxLength: 200 }),
  sound.map((text) => text.toUpperCase()),
  sound.map((text) => text.slice(0, -1)),
  fc.tuple(sound, fc.constantFrom("\n", " ", "/", "\u0000", "0", "/../../x")).map(([text, more]) => text + more),
  fc
    .tuple(
      fc.constantFrom("..", ".", "../..", "sha256/..", "", "/", "sha1", "md5", "blake3", "SHA256", "sha256 "),
      hex(64),
    )
    .map(([name, rest]) => `${name}:${rest}`),
  fc.constantFrom(
    "sha256:../../../etc/passwd",
    "sha256:",
    ":",
    "sha256",
    `sha256:${"../".repeat(21)}a`,
    `sha256:${"g".repeat(64)}`,
    `sha256:${"٠".repeat(64)}`,
  ),
);

const LAYOUT = layoutPaths("/store");

describe("a digest", () => {
  it("that is sound names a file under blobs, by algorithm and hex", () => {
    fc.assert(
      fc.property(sound, (text) => {
        const [algorithm, rest] = text.split(":");
        expect(blobPath(LAYOUT, parseDigest(text))).toBe(`/store/blobs/${algorithm ?? ""}/${rest ?? ""}`);
      }),
    );
  });

  it("of any other text is refused", () => {
    fc.assert(
      fc.property(odd, (text) => {
        fc.pre(!/^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text) || text.endsWith("\n"));
        expect(isDigest(text)).toBe(false);
        expect(() => parseDigest(text)).toThrow(WasmeError);
        expect(() => parseDescriptor({ mediaType: "a/b", digest: text, size: 1 }, "it")).toThrow(WasmeError);
      }),
      { numRuns: 3000 },
    );
  });
});

describe("a manifest", () => {
  const size = fc.oneof(
    { weight: 30, arbitrary: fc.nat() },
    { weight: 1, arbitrary: fc.constantFrom(-1, 0.5, Number.MAX_SAFE_INTEGER + 1, 1e300, Number.NaN) },
  );
  const descriptor = fc.oneof(
    {
      weight: 40,
      arbitrary: fc.record({
        mediaType: fc.constantFrom("a/b", "a/b", MediaType.soloModule, MediaType.soloConfig, ""),
        digest: fc.oneof({ weight: 60, arbitrary: sound }, { weight: 1, arbitrary: odd }),
        size,
        urls: fc.array(fc.webUrl(), { maxLength: 2 }),
      }),
    },
    { weight: 1, arbitrary: fc.jsonValue() },
  );
  const manifest = fc.record(
    {
      schemaVersion: fc.constantFrom(2, 2, 2, 2, 2, 1, "2"),
      mediaType: fc.constantFrom(MediaType.ociManifest, MediaType.ociManifest, MediaType.ociIndex, "text/html", 7),
      config: descriptor,
      layers: fc.array(descriptor, { maxLength: 4 }),
      manifests: fc.array(descriptor, { maxLength: 4 }),
      subject: descriptor,
      annotations: fc.oneof(fc.dictionary(fc.string(), fc.string()), fc.jsonValue()),
    },
    { requiredKeys: ["schemaVersion", "config", "layers"] },
  );

  it("of any content is refused, or points to sound content alone", () => {
    let understood = 0;
    fc.assert(
      fc.property(
        manifest,
        fc.constantFrom(undefined, MediaType.ociManifest, MediaType.ociIndex, "application/json"),
        (value, type) => {
          const parsed = parsedOrRefused(Buffer.from(JSON.stringify(value)), type);
          if (parsed === undefined) return;
          understood += 1;
          for (const each of referencedBy(parsed)) {
            expect(Number.isSafeInteger(each.size) && each.size >= 0).toBe(true);
            const path = relative("/store/blobs", resolve(blobPath(LAYOUT, each.digest)));
            expect(path).toMatch(/^sha(?:256\/[0-9a-f]{64}|512\/[0-9a-f]{128})$/u);
            expect(each).not.toHaveProperty("urls");
          }
        },
      ),
      { numRuns: 3000 },
    );
    expect(understood).toBeGreaterThan(20);
  });

  it("of many megabytes, or many layers, or great depth, is refused before it costs anything", () => {
    const layer = { mediaType: "a/b", digest: `sha256:${"0".repeat(64)}`, size: 1 };
    const many = { schemaVersion: 2, config: layer, layers: Array.from({ length: 10_000 }, () => layer) };
    const texts = [
      " ".repeat(5 * 2 ** 20),
      JSON.stringify(many),
      "[".repeat(1_000_000),
      `{"a":${"[".repeat(1_000_000)}`,
    ];
    for (const text of texts) expect(() => parseManifest(Buffer.from(text), undefined)).toThrow(WasmeError);
  });
});

describe("an index", () => {
  const platform = fc.option(
    fc.record(
      {
        os: fc.constantFrom("linux", "windows", "wasip1", "wasi", ""),
        architecture: fc.constantFrom("amd64", "arm64", "wasm", ""),
      },
      { requiredKeys: [] },
    ),
    { nil: undefined },
  );
  const child = fc
    .record({ digest: sound, platform })
    .map((each) => ({ mediaType: MediaType.ociManifest, size: 1, ...each }));

  it("stands for its first child for linux/amd64 or without platform, else for one for wasm, else for none", () => {
    fc.assert(
      fc.property(fc.array(child, { maxLength: 6 }), (manifests) => {
        const index = { schemaVersion: 2, manifests } as unknown as OciIndex;
        const proxies = manifests.find(
          (each) =>
            each.platform === undefined || (each.platform.os === "linux" && each.platform.architecture === "amd64"),
        );
        const wasm = manifests.filter((each) => each.platform?.architecture === "wasm");
        const wanted = proxies ?? wasm.find((each) => each.platform?.os === "wasip1") ?? wasm[0];
        const chosen = wanted === undefined ? undefined : { child: wanted, forProxies: proxies !== undefined };
        expect(chosenOrRefused(index)).toEqual(chosen);
      }),
      { numRuns: 1000 },
    );
  });
});

/** `undefined` for an error of ours; any other one is a crash. */
function parsedOrRefused(bytes: Uint8Array, type: string | undefined): ReturnType<typeof parseManifest> | undefined {
  try {
    return parseManifest(bytes, type);
  } catch (error) {
    if (error instanceof WasmeError) return undefined;
    throw error;
  }
}

function chosenOrRefused(index: OciIndex): ReturnType<typeof chooseChild> | undefined {
  try {
    return chooseChild(index, "it");
  } catch (error) {
    if (error instanceof WasmeError && error.code === "PLATFORM_MISSING") return undefined;
    throw error;
  }
}
