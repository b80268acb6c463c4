import { describe, expect, it } from "vitest";
import { quirksOf } from "../../../src/registry/quirks.ts";

const MIB = 2 ** 20;

describe("quirksOf", () => {
  it("is what the specification says for a registry nobody knows", () => {
    expect(quirksOf("registry.example.com:5000")).toEqual({
      upload: "auto",
      chunkSize: 8 * MIB,
      minChunkSize: 1,
      maxChunkSize: 1024 * MIB,
      trustRange: true,
      mount: true,
      referrers: "probe",
      tagPageSize: 0,
    });
  });

  it.each([
    ["ghcr.io", { maxChunkSize: 4 * MIB, referrers: "tag" }],
    ["123456789012.dkr.ecr.eu-west-1.amazonaws.com", { minChunkSize: 5 * MIB, trustRange: false, tagPageSize: 1000 }],
    ["123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", { minChunkSize: 5 * MIB }],
    ["public.ecr.aws", { trustRange: false }],
    ["europe-docker.pkg.dev", { upload: "single" }],
    ["gcr.io", { upload: "single" }],
    ["eu.gcr.io", { upload: "single" }],
    ["acme.azurecr.io", { referrers: "api" }],
    ["registry.gitlab.com", { referrers: "tag" }],
  ])("knows %s", (host, quirks) => {
    expect(quirksOf(host)).toMatchObject(quirks);
  });

  it.each(["ghcr.io.example.com", "notghcr.io", "pkg.dev", "evilgcr.io", "ghcr.io:8443"])(
    "takes %s for nobody",
    (host) => {
      expect(quirksOf(host)).toEqual(quirksOf("registry.example.com"));
    },
  );

  it("lets the user's settings win, and only those", () => {
    const quirks = quirksOf("ghcr.io", { upload: "chunked", maxChunkSize: MIB });
    expect(quirks).toEqual({ ...quirksOf("ghcr.io"), upload: "chunked", maxChunkSize: MIB });
  });
});
