import { describe, expect, it } from "vitest";
import { judgeFailure } from "../../../src/cache/pull-failure.ts";
import { type ErrorKind, WasmeError } from "../../../src/domain/errors.ts";

const failure = (kind: ErrorKind, code: string): WasmeError => new WasmeError(kind, code, "no");

describe("a failed pull", () => {
  it.each([
    [failure("unreachable", "REGISTRY_UNREACHABLE"), "passing"],
    [failure("failed", "DISK_FULL"), "passing"],
    [new TypeError("a bug"), "passing"],
    [failure("unauthorised", "REGISTRY_DENIED"), "refused"],
    [failure("not-found", "IMAGE_NOT_FOUND"), "refused"],
    [failure("failed", "BLOB_DAMAGED"), "refused"],
    [failure("failed", "CACHE_FULL"), "refused"],
    [failure("usage", "AUTH_FILE_INVALID"), "refused"],
    [failure("incompatible", "MODULE_TOO_LARGE"), "lasting"],
    [failure("usage", "REFERENCE_INVALID"), "lasting"],
  ])("%s is %s the second time", (error, sort) => {
    expect(judgeFailure(error, 2).sort).toBe(sort);
  });

  it("is tried again later each time, up to a limit, and never when that is in vain", () => {
    const waits = (error: unknown): readonly unknown[] =>
      [1, 2, 3, 8, 1000].map((times) => judgeFailure(error, times).retryMs);
    expect(waits(failure("unreachable", "REGISTRY_BUSY"))).toEqual([1000, 2000, 4000, 60_000, 60_000]);
    expect(waits(failure("not-found", "IMAGE_NOT_FOUND"))).toEqual([1000, 30_000, 60_000, 600_000, 600_000]);
    expect(waits(failure("incompatible", "IMAGE_NOT_WASM"))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("is told in one line without secrets", () => {
    const { message } = judgeFailure(new Error(`a\nb https://u:p@h/ ${"x".repeat(1000)}`), 1);
    expect(message).toMatch(/^a b https:\/\/\*\*\*@h\/ x+…$/u);
    expect(message).toHaveLength(301);
  });
});
