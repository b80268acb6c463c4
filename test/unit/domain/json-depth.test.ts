import { describe, expect, it } from "vitest";
import { tryParseJson } from "../../../src/domain/json.ts";
import { parseManifest } from "../../../src/domain/manifest.ts";

const nested = (depth: number): string => `${'{"a":['.repeat(depth / 2)}${"]}".repeat(depth / 2)}`;

describe("tryParseJson", () => {
  it("takes what is nested 500 deep, and nothing deeper", () => {
    expect(JSON.stringify(tryParseJson(nested(500)))).toBe(nested(500));
    expect(tryParseJson(nested(502))).toBeUndefined();
    expect(tryParseJson(nested(2_000_000))).toBeUndefined();
  });

  it("does not count what stands in strings", () => {
    for (const value of ["[".repeat(2000), `\\"${"{".repeat(2000)}`, '"'.repeat(2000), "\\".repeat(2001)]) {
      expect(tryParseJson(JSON.stringify([value, value]))).toEqual([value, value]);
    }
    expect(tryParseJson(`["${"[".repeat(2000)}`)).toBeUndefined();
  });

  it("counts what is open, not what was ever opened", () => {
    const flat = `[${Array.from({ length: 3000 }, () => "[]").join(",")}]`;
    expect(tryParseJson(flat)).toHaveLength(3000);
  });
});

it("a manifest that is nested without end is none", () => {
  const descriptor = { mediaType: "x", digest: `sha256:${"0".repeat(64)}`, size: 1 };
  const text = JSON.stringify({ schemaVersion: 2, config: descriptor, layers: [], deep: "?" });
  const manifest = (depth: number): Buffer => Buffer.from(text.replace('"?"', nested(depth)));
  expect(parseManifest(manifest(100), undefined).kind).toBe("image");
  expect(() => parseManifest(manifest(1_000_000), undefined)).toThrow("not a valid image manifest");
});
