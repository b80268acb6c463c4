import { expect, it } from "vitest";
import { readCache, readPullSecret } from "../../../src/cli/options/deploy.ts";

it.each([
  [{ cacheName: "My_Cache" }, "NAME_INVALID", /--cache-name/u],
  [{ cacheName: "" }, "NAME_INVALID", /--cache-name/u],
  [{ cacheNamespace: "" }, "NAMESPACE_INVALID", /--cache-namespace/u],
  [{ cacheTag: "v1:2" }, "REFERENCE_INVALID", /wasme:v1:2/u],
  [{ cacheRepo: "ghcr.io/Acme/wasme" }, "REFERENCE_INVALID", /Acme/u],
])("refuses what no node cache can be made of, before anything is made: %j", (values, code, message) => {
  const refusal = { kind: "usage", code, message: expect.stringMatching(message) as string };
  expect(() => readCache(values)).toThrow(expect.objectContaining(refusal) as Error);
});

it("takes an empty --pull-secret for none, and refuses what is no name", () => {
  expect([readPullSecret({ pullSecret: "" }), readPullSecret({ pullSecret: "regcred" })]).toEqual([
    undefined,
    "regcred",
  ]);
  expect(() => readPullSecret({ pullSecret: "Reg_Cred" })).toThrow(/--pull-secret/u);
});
