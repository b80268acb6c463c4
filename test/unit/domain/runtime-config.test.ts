import { describe, expect, it } from "vitest";
import { formatRuntimeConfig, parseRuntimeConfig, rootIdsOf } from "../../../src/domain/runtime-config.ts";

const rewrite = (text: string): string =>
  Buffer.from(formatRuntimeConfig(parseRuntimeConfig(text, "f.json").config)).toString();

describe("runtime config", () => {
  it.each([
    [
      '{"config":{"rootIds":["a"]},"abiVersions":["v0.2.1"],"type":"envoy_proxy"}',
      '{"type":"envoy_proxy","abiVersions":["v0.2.1"],"config":{"rootIds":["a"]}}',
    ],
    ['{"abi_versions":["x"],"config":{"root_ids":["a","b"]}}', '{"abiVersions":["x"],"config":{"rootIds":["a","b"]}}'],
    ["{}", "{}"],
    ['{"abiVersions":[],"config":{}}', '{"abiVersions":[],"config":{}}'],
    ['{"type":""}', "{}"],
    ['{"config":{"rootIds":[]}}', '{"config":{"rootIds":[]}}'],
  ])("is written as the old tool wrote it: %s", (text, expected) => {
    expect(rewrite(text)).toBe(expected);
    expect(rewrite(expected)).toBe(expected);
  });

  it("tells keys it does not know", () => {
    const parsed = parseRuntimeConfig('{"abi_version":"x","config":{"roots":[]}}', "f.json");
    expect(parsed).toEqual({ config: { config: {} }, unknownKeys: ["abi_version", "config.roots"] });
  });

  it.each([
    ["", "not a JSON object"],
    ["[]", "not a JSON object"],
    ['{"type":1}', '"type" must be a string'],
    ['{"abiVersions":"v"}', '"abiVersions" must be a list of strings'],
    ['{"config":[]}', '"config" must be an object'],
    ['{"config":{"rootIds":[1]}}', '"config.rootIds" must be a list of strings'],
  ])("refuses %j", (text, words) => {
    expect(() => parseRuntimeConfig(text, "f.json")).toThrow(words);
    expect(() => parseRuntimeConfig(text, "f.json")).toThrow(
      expect.objectContaining({
        code: "RUNTIME_CONFIG_INVALID",
        kind: "usage",
        message: expect.stringContaining("f.json"),
      }),
    );
  });

  it("gives the root ids in order", () => {
    expect(rootIdsOf({ config: { rootIds: ["b", "a"] } })).toEqual(["b", "a"]);
    expect(rootIdsOf({})).toEqual([]);
    expect(rootIdsOf(undefined)).toEqual([]);
  });
});
