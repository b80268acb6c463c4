import { describe, expect, it } from "vitest";
import { findImage } from "../../../src/deploy/find-image.ts";
import { WasmeError } from "../../../src/domain/errors.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";
import { imageOf } from "./list-bench.ts";

const unreachable = new WasmeError("unreachable", "REGISTRY_UNREACHABLE", "cannot reach registry-1.docker.io");
const missing = new WasmeError("not-found", "REGISTRY_NOT_FOUND", "there is none (404)", { hint: "check the name" });
const refused = new WasmeError("unauthorised", "REGISTRY_UNAUTHORISED", "refused (401)", { hint: "wasme login" });

describe("an image that a cluster cannot pull", () => {
  const find = (text: string, error: WasmeError, isLocal: boolean): Promise<unknown> => {
    const resolveImage = async (_: unknown, from: string): Promise<ReturnType<typeof imageOf>> => {
      if (from === "store" && isLocal) return imageOf("v1");
      throw error;
    };
    return findImage({ resolveImage }, parseImageReference(text), "registry").catch((thrown: unknown) => thrown);
  };

  it.each([
    ["hello:v1", unreachable, false, "a name without a registry means docker.io: type the whole reference"],
    ["hello:v1", refused, true, "wasme tag docker.io/library/hello:v1 REGISTRY/hello:v1; wasme push REGISTRY/hello:v1"],
    ["ghcr.io/acme/hello:v1", missing, true, "it is in the local store alone: wasme push ghcr.io/acme/hello:v1"],
  ] as const)("says what to type for %s", async (text, error, isLocal, hint) => {
    const { kind, code } = error;
    const told = { kind, code, hint: expect.stringContaining(hint) as string };
    const message = expect.stringContaining(`for the cluster to pull: ${error.message}`) as string;
    expect(await find(text, error, isLocal)).toMatchObject({ ...told, message });
  });

  it("leaves the registry's own word where it is better", async () => {
    expect(await find("ghcr.io/acme/hello:v1", missing, false)).toBe(missing);
    expect(await find("ghcr.io/acme/hello:v1", refused, true)).toBe(refused);
    expect(await find("acme/hello:v1", unreachable, true)).toBe(unreachable);
  });
});
