import { describe, expect, it } from "vitest";
import { WasmeError } from "../../../src/domain/errors.ts";
import {
  formatReference,
  parseImageReference,
  referenceTarget,
  repositoryName,
} from "../../../src/domain/image-reference.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

describe("parseImageReference", () => {
  it.each([
    ["test", "docker.io/library/test:latest"],
    ["me/filter:v1", "docker.io/me/filter:v1"],
    ["localhost:8080/taco/tuesdays", "localhost:8080/taco/tuesdays:latest"],
    ["localhost/a", "localhost/a:latest"],
    ["localhost:5000/a", "localhost:5000/a:latest"],
    ["127.0.0.1:5000/a:b", "127.0.0.1:5000/a:b"],
    ["[::1]:5000/a:b", "[::1]:5000/a:b"],
    ["ghcr.io/acme/auth:v1", "ghcr.io/acme/auth:v1"],
    ["oci://ghcr.io/acme/auth:v1", "ghcr.io/acme/auth:v1"],
    ["index.docker.io/library/x:1", "docker.io/library/x:1"],
    ["GHCR.io/acme/auth:v1", "ghcr.io/acme/auth:v1"],
    [`ghcr.io/acme/auth@${DIGEST}`, `ghcr.io/acme/auth@${DIGEST}`],
    [`ghcr.io/acme/auth:v1@${DIGEST}`, `ghcr.io/acme/auth:v1@${DIGEST}`],
    ["a__b/c-d.e_f--g", "docker.io/a__b/c-d.e_f--g:latest"],
  ])("%s is %s", (text, full) => {
    const reference = parseImageReference(text);
    expect(formatReference(reference)).toBe(full);
    expect(formatReference(parseImageReference(full))).toBe(full);
  });

  it("keeps tag and digest together, the digest decides", () => {
    const reference = parseImageReference(`a.b/c:v1@${DIGEST}`);
    expect(reference.tag).toBe("v1");
    expect(referenceTarget(reference)).toBe(DIGEST);
    expect(repositoryName(reference)).toBe("a.b/c");
  });

  it("gives a digest-only reference no tag", () => {
    expect(parseImageReference(`a.b/c@${DIGEST}`).tag).toBeUndefined();
  });

  it.each([
    "",
    ":",
    "A",
    "ghcr.io/Acme/x",
    "ghcr.io/",
    "a:b:c",
    "a//b",
    "a/-b",
    "x:",
    `x:${"t".repeat(129)}`,
    "x:-v",
    "x@sha256:abc",
    `x@sha256:${"A".repeat(64)}`,
    `x@md5:${"a".repeat(32)}`,
    "a".repeat(64),
    `ghcr.io/${"a".repeat(250)}`,
    "ghcr.io:port/x",
    "-bad.host/x",
    "localhost:99999/x",
    "256.1.1.1/x",
    "[:::]:5000/x",
    "../x",
    "https://ghcr.io/x",
    "x y",
  ])("refuses %j with a usage error and a hint", (text) => {
    const attempt = (): unknown => parseImageReference(text);
    expect(attempt).toThrow(WasmeError);
    expect(attempt).toThrow(
      expect.objectContaining({ code: "REFERENCE_INVALID", kind: "usage", hint: expect.any(String) }),
    );
  });
});
