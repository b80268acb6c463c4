import { describe, expect, it } from "vitest";
import type { HttpResponse } from "../../../src/platform/http-transport.ts";
import { readBody } from "../../../src/registry/read-body.ts";
import { failure } from "../../support/failure.ts";

describe("readBody", () => {
  const url = new URL("https://registry.example.com/v2/");
  let left = 0;

  /** A body of `pieces` pieces, each of which takes `ms` to come. */
  function answer(
    pieces: number,
    size: number,
    ms: number,
  ): { readonly response: HttpResponse; readonly now: () => number } {
    let clock = 0;
    left = pieces;
    async function* body(): AsyncGenerator<Uint8Array> {
      for (; left > 0; left -= 1) {
        clock += ms;
        yield new Uint8Array(size);
      }
    }
    return { response: { status: 200, headers: {}, body: body(), discard: () => undefined }, now: () => clock };
  }

  it("gives up on a body that comes drop by drop", async () => {
    const { response, now } = answer(1_000_000, 1, 10_000);
    expect(await failure(readBody(response, url, 4 << 20, now))).toMatchObject({ code: "REGISTRY_UNREACHABLE" });
    expect(left).toBeGreaterThan(999_990);
  });

  it("waits for a slow line that gets on", async () => {
    const { response, now } = answer(400, 10_000, 5000);
    expect((await readBody(response, url, 4 << 20, now)).byteLength).toBe(4_000_000);
  });
});
