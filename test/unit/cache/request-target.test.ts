import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { requestTarget } from "../../../src/cache/request-target.ts";

const HEX = "0123456789abcdef".repeat(4);

describe("the target of a request", () => {
  it.each([
    [`/${HEX}`, "module"],
    [`/${HEX.toUpperCase()}`, "module"],
    [`/sha256:${HEX}.wasm`, "module"],
    [`/deep/er/${HEX}?q#f`, "module"],
    [`/${HEX}${HEX}`, "module"],
    [`/team/x@sha256:${HEX}`, "reference"],
    [`/${HEX}0`, "reference"],
    [`/team/x:v1`, "reference"],
    [`/v2/team/x/blobs/sha256:${HEX}`, "mirror"],
    ["/v2", "mirror"],
    [`http://cache.wasme/${HEX}?q`, "module"],
    [`http://[not:an/address/${HEX}`, "module"],
    ["HTTP://cache:80/v2/", "mirror"],
    ["http://cache", "nothing"],
    ["/v2x", "reference"],
    ["/", "nothing"],
    ["", "nothing"],
    ["/%zz", "nothing"],
  ])("of %s is a %s", (url, type) => {
    expect(requestTarget(url).type).toBe(type);
  });

  it("is a module for every digest, whatever stands in front", () => {
    const path = fc.array(fc.stringMatching(/^[a-z0-9._-]{1,8}$/u), { maxLength: 3 });
    fc.assert(
      fc.property(path, fc.stringMatching(/^[0-9a-fA-F]{64}$/u), fc.constantFrom("", ".wasm"), (parts, hex, end) => {
        fc.pre(parts[0] !== "v2");
        const target = requestTarget(`/${[...parts, hex].join("/")}${end}`);
        expect(target).toEqual({ type: "module", module: `sha256:${hex.toLowerCase()}` });
      }),
    );
  });
});
