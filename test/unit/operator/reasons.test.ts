import { expect, it } from "vitest";
import { WasmeError } from "../../../src/domain/errors.ts";
import { imageReason, rootIdAdvice } from "../../../src/operator/find-image.ts";
import { failureOf } from "../../../src/operator/judgement.ts";

it("names exactly why there is no image", () => {
  const cases = [
    ["not-found", "IMAGE_NOT_FOUND", "ImageNotFound"],
    ["unreachable", "REGISTRY_TLS", "RegistryUnreachable"],
    ["unauthorised", "REGISTRY_UNAUTHORISED", "RegistryDenied"],
    ["failed", "TOKEN_REFUSED", "RegistryDenied"],
    ["incompatible", "LAYOUT_UNKNOWN", "ImageUnusable"],
    ["failed", "BLOB_DAMAGED", "ImageUnusable"],
  ] as const;
  for (const [kind, code, reason] of cases) expect(imageReason(new WasmeError(kind, code, "why"))).toBe(reason);
});

it("names the root ids of the image to whoever wrote another one", () => {
  const image = { runtimeConfig: { config: { rootIds: ["add_header", "log"] } } };
  expect(rootIdAdvice("add-header", image)).toBe(
    '; spec.filter.rootID is "add-header", and the image names add_header, log',
  );
  for (const rootId of ["log", undefined]) expect(rootIdAdvice(rootId, image)).toBe("");
  expect(rootIdAdvice("any", { runtimeConfig: undefined })).toBe("");
});

it("tells of a webhook that is down as of a policy that refuses, and tries again", () => {
  const error = new WasmeError("failed", "KUBE_WEBHOOK_FAILED", "its webhook does not work");
  expect(failureOf(error)).toMatchObject({ reason: "RefusedByCluster", soon: true });
});

it("names a node cache that keeps no files, and looks again soon: it may be switched", () => {
  const error = new WasmeError("unauthorised", "CACHE_WITHOUT_FILES", "it keeps no files");
  expect(failureOf(error)).toEqual({ reason: "CacheWithoutFiles", message: "it keeps no files", soon: true });
});
