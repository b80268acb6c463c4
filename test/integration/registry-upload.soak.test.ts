import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import { WasmeError } from "../../src/domain/errors.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import { fakeClock } from "../support/fault-clock.ts";
import { testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";

const bytes = fc.integer({ min: 0, max: 400_000 });

/** What may become of one request; most are answered as they should. */
const mishap = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ what: "none" } as const) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("short" as const), bytes }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("reset" as const), bytes }) },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant("range" as const), range: fc.constantFrom("", "0-0", "0-99") }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant("status" as const),
      status: fc.constantFrom(404, 409, 413, 416, 500, 503),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ what: "lost" } as const) },
);

type Mishap = typeof mishap extends fc.Arbitrary<infer T> ? T : never;

function faultOf(each: Mishap): Parameters<FaultRegistry["on"]>[1] {
  switch (each.what) {
    case "short":
      return fault.takeBeginning(each.bytes);
    case "reset":
      return fault.resetUpload(each.bytes);
    case "range":
      return fault.headers({ range: each.range });
    case "status":
      return fault.status(each.status);
    case "lost":
      return fault.loseAnswer();
    case "none":
      return fault.change(() => ({}));
  }
}

/** Whatever goes wrong: the blob is there and nothing is left open, or an error of ours says why. */
describe("an upload in pieces", () => {
  let registry: FaultRegistry;
  let runs = 0;

  beforeAll(async () => {
    registry = await startFaultRegistry();
  });
  afterAll(() => registry.close());

  it("ends in the right bytes or in a clear error, and leaves no upload open", async () => {
    let succeeded = 0;
    const property = async (mishaps: readonly Mishap[], chunkSize: number, size: number): Promise<void> => {
      registry.reset();
      const { module, moduleDescriptor } = testImage(size, `run ${runs++}`);
      for (const each of mishaps)
        registry.on(["upload.patch", "upload.put", "upload.get", "upload.post"], faultOf(each), 1);
      const client = createRegistryClient({ env: {}, clock: fakeClock(), idleTimeoutMs: 2000, chunkSize });
      const to = client.repository(parseImageReference(`${registry.host}/demo/filter:v1`), "push");
      const pushed = await to.push(moduleDescriptor, bytesSource(module)).catch((error: unknown) => error);
      client.close();
      const stored = await registry.store.sizeOf(moduleDescriptor.digest);
      expect(pushed === "written" ? stored : pushed).toSatisfy((is) => is === size || is instanceof WasmeError);
      if (pushed === "written") succeeded += 1;
      expect(await registry.openUploads()).toEqual([]);
    };
    const chunkSize = fc.integer({ min: 70_000, max: 400_000 });
    const size = fc.integer({ min: 1, max: 900_000 });
    const mishaps = fc.array(mishap, { maxLength: 12 });
    await fc.assert(fc.asyncProperty(mishaps, chunkSize, size, property), { numRuns: 120 });
    expect(succeeded).toBeGreaterThan(60);
  }, 120_000);
});
