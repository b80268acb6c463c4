import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { describe as describeBytes } from "../../src/domain/descriptor.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import type { EventSink, ProgressEvent } from "../../src/domain/events.ts";
import type { HttpTransport } from "../../src/platform/http-transport.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { type FakeClock, fakeClock } from "../support/fault-clock.ts";
import { pullTestImage, pushTestImage, readAll, type TestImage, testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";
import { hurriedTransport } from "../support/hurried-transport.ts";

/** One fault at a time while an image of 2 MB is pulled: it arrives whole, or nothing does and the error says why. */
describe("pulling from a registry with faults", () => {
  let registry: FaultRegistry;
  let client: RegistryClient;
  let clock: FakeClock;
  const image: TestImage = testImage(2_000_000);

  beforeAll(async () => {
    registry = await startFaultRegistry();
    await pushTestImage(repository(), image);
    client.close();
    registry.reset();
  });
  afterEach(() => {
    client.close();
    registry.reset();
  });
  afterAll(() => registry.close());

  function repository(
    options: { idleTimeoutMs?: number; retryBudgetMs?: number; events?: EventSink; transport?: HttpTransport } = {},
  ): Repository {
    clock = fakeClock();
    client = createRegistryClient({ env: {}, clock, idleTimeoutMs: 60_000, ...options });
    return client.repository(parseImageReference(`${registry.host}/demo/filter:v1`));
  }

  /** Names of the parts that did not arrive as they were pushed. */
  async function wrongParts(from: Repository): Promise<readonly string[]> {
    const got = await pullTestImage(from, image);
    return (["manifest", "config", "module"] as const).filter((part) => Buffer.compare(got[part], image[part]) !== 0);
  }

  /** Reads the module as far as it goes; what failed, and whether that was before its last byte. */
  async function failureOf(from: Repository): Promise<{ readonly code: unknown; readonly partial: boolean }> {
    let size = 0;
    try {
      for await (const chunk of from.fetch(image.moduleDescriptor)) size += chunk.byteLength;
    } catch (error) {
      return { code: (error as { code?: unknown }).code, partial: size < image.module.byteLength };
    }
    return { code: undefined, partial: false };
  }

  it("pulls with one request for the manifest and one for each blob", async () => {
    expect(await wrongParts(repository())).toEqual([]);
    expect(registry.requests.map(({ kind }) => kind)).toEqual(["manifest.get", "blob.get", "blob.get"]);
    expect(registry.requests.every(({ headers }) => headers["accept-encoding"] === "identity")).toBe(true);
    expect(registry.requests[0]?.headers.accept?.split(", ")).toHaveLength(4);
  });

  it.each([500, 502, 503, 504, 408, 429])("recovers from %i on the first two requests of each kind", async (status) => {
    registry.on("manifest.get", fault.status(status), 2);
    registry.on("blob.get", fault.status(status), 2);
    expect(await wrongParts(repository())).toEqual([]);
    expect(clock.waits.length).toBeGreaterThanOrEqual(3);
  });

  it.each([
    ["429", fault.status(429), "REGISTRY_BUSY"],
    ["429 with a short Retry-After", fault.status(429, { "retry-after": "2" }), "REGISTRY_BUSY"],
    ["503", fault.status(503), "REGISTRY_UNAVAILABLE"],
  ])("ends after five tries of %s, within the budget", async (_name, always, code) => {
    registry.on("manifest.get", always);
    await expect(repository().fetchManifest("v1")).rejects.toMatchObject({ code, kind: "unreachable" });
    expect(registry.count("manifest.get")).toBe(5);
    expect(clock.waits.reduce((sum, wait) => sum + wait, 0)).toBeLessThanOrEqual(15_000);
  });

  it.each([
    ["reset", 10_000, 1],
    ["reset", 1_500_000, 1],
    ["reset", 10_000, 3],
    ["fin", 10_000, 1],
    ["fin", 700_000, 2],
  ] as const)("goes on where a %s after %i bytes stopped it, %i time(s)", async (how, bytes, times) => {
    const from = repository();
    registry.on("blob.get", fault.cutBody(bytes, how), times);
    const got = await readAll(from.fetch(image.moduleDescriptor));
    expect(Buffer.compare(got, image.module)).toBe(0);
    const ranges = registry.requests.map(({ range }) => range);
    expect(ranges).toHaveLength(times + 1);
    // A reset may overtake the bytes sent before it; an end of the connection does not.
    const offsets = ranges.slice(1).map((range) => Number(/^bytes=(\d+)-$/u.exec(range ?? "bytes=0-")?.[1]));
    expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
    expect(how === "reset" || offsets[0] === bytes).toBe(true);
  });

  it("goes on where a stall stopped it", async () => {
    registry.on("blob.get", fault.cutBody(700_000, "stall"), 1);
    const got = await readAll(repository({ transport: hurriedAnswers(1) }).fetch(image.moduleDescriptor));
    expect(Buffer.compare(got, image.module)).toBe(0);
    expect(registry.requests.map(({ range }) => range)).toEqual([
      undefined,
      expect.stringMatching(/^bytes=[1-9]\d*-$/u),
    ]);
  });

  it("tells that a blob is over once: read whole, in part, or not at all", async () => {
    const events: ProgressEvent[] = [];
    const from = repository({ events: (event) => events.push(event) });
    const ends = (): readonly unknown[] => events.splice(0).filter(({ type }) => type === "blob.end");
    const over = { type: "blob.end", digest: image.moduleDescriptor.digest };
    await readAll(from.fetch(image.moduleDescriptor));
    expect(events.splice(0).slice(-2)).toMatchObject([{ type: "blob.progress" }, over]);
    for await (const _ of from.fetch(image.moduleDescriptor)) break;
    expect(ends()).toEqual([over]);
    registry.on("blob.get", fault.cutBody(10_000, "reset"));
    expect((await failureOf(from)).code).toBe("REGISTRY_UNREACHABLE");
    expect(ends()).toEqual([over]);
  });

  it("gives up on a server that stalls for ever", async () => {
    registry.on("blob.get", fault.cutBody(10_000, "stall"));
    expect(await failureOf(repository({ idleTimeoutMs: 500 }))).toEqual({
      code: "REGISTRY_UNREACHABLE",
      partial: true,
    });
    expect(registry.count("blob.get")).toBeGreaterThan(1);
  });

  it("gives up on a server that never answers", async () => {
    registry.on("manifest.get", fault.silence());
    const from = repository({ idleTimeoutMs: 100, retryBudgetMs: 150 });
    await expect(from.fetchManifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      message: expect.stringContaining("no answer within"),
    });
  });

  it("takes a body that drips, for a reader that dawdles, in one request", async () => {
    registry.on("blob.get", fault.drip(20, 10), 1);
    const seen: Uint8Array[] = [];
    for await (const chunk of repository().fetch(image.moduleDescriptor)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      seen.push(chunk);
    }
    expect(Buffer.compare(Buffer.concat(seen), image.module)).toBe(0);
    expect(registry.count("blob.get")).toBe(1);
  });

  it.each([
    ["a short body of honest length", fault.body((real) => real.subarray(0, 1_900_000)), "BLOB_DAMAGED"],
    ["seven bytes too many", fault.body((real) => Buffer.concat([real, Buffer.alloc(7)])), "BLOB_DAMAGED"],
    ["seven bytes too many, length not told", tooManyUntold(), "BLOB_DAMAGED"],
    ["one wrong byte", fault.wrongByte(), "BLOB_DAMAGED"],
    ["an encoded body", fault.gzip(), "BODY_ENCODED"],
    ["an endless body", fault.endless(), "BLOB_DAMAGED"],
  ])("refuses %s", async (_name, broken, code) => {
    registry.on("blob.get", broken);
    expect(await failureOf(repository())).toEqual({ code: code, partial: true });
    expect(registry.count("blob.get")).toBe(1);
  });

  describe("manifests", () => {
    it.each(["reset", "fin", "stall"] as const)("asks again for one that breaks off by a %s", async (how) => {
      registry.on("manifest.get", fault.cutBody(100, how), 2);
      const found = await repository({ transport: hurriedAnswers(how === "stall" ? 2 : 0) }).fetchManifest("v1");
      expect(found?.descriptor).toEqual(image.manifestDescriptor);
      expect(registry.count("manifest.get")).toBe(3);
    });

    it("names the trouble when one always breaks off", async () => {
      registry.on("manifest.get", fault.cutBody(100, "fin"));
      await expect(repository().fetchManifest("v1")).rejects.toMatchObject({
        code: "REGISTRY_UNREACHABLE",
        hint: expect.any(String),
      });
      expect(registry.count("manifest.get")).toBe(5);
    });

    it("refuses one with a byte more than its digest covers", async () => {
      registry.on(
        "manifest.get",
        fault.body((real) => Buffer.concat([real, Buffer.from(" ")])),
      );
      await expect(repository().fetchManifest("v1")).rejects.toMatchObject({ code: "MANIFEST_DAMAGED" });
    });

    it("refuses one that is not what its digest says, whatever the header says", async () => {
      const other = describeBytes(MediaType.ociManifest, Buffer.from("{}"));
      const served = fault.change(() => ({
        status: 200,
        headers: { "content-type": MediaType.ociManifest, "docker-content-digest": other.digest },
        body: Buffer.from(image.manifest),
      }));
      registry.on("manifest.get", served);
      await expect(repository().fetchManifest(other.digest)).rejects.toMatchObject({ code: "MANIFEST_DAMAGED" });
    });

    it.each([
      ["other bytes and no header", { body: Buffer.from("{}"), headers: { "content-type": MediaType.ociManifest } }],
      ["the header of another", { headers: otherDigest(image) }],
    ])("refuses one asked for by digest that comes with %s", async (_name, served) => {
      registry.on(
        "manifest.get",
        fault.change(() => served),
      );
      const asking = repository().fetchManifest(image.manifestDescriptor.digest);
      await expect(asking).rejects.toMatchObject({ code: "MANIFEST_DAMAGED" });
    });

    it("ignores parameters of the media type", async () => {
      registry.on(
        "manifest.get",
        fault.headers({ "content-type": `${MediaType.ociManifest.toUpperCase()}; charset=utf-8` }),
      );
      expect((await repository().fetchManifest("v1"))?.descriptor).toEqual(image.manifestDescriptor);
    });

    it("says undefined for what is not there", async () => {
      expect(await repository().fetchManifest("nope")).toBeUndefined();
      expect(await repository().resolve("nope")).toBeUndefined();
    });
  });

  it("caps the error text of a server and shows what it says on one line", async () => {
    registry.on("manifest.get", fault.refuse(403, "DENIED", "no\u001b[2J entry\nfor you"));
    await expect(repository().fetchManifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_DENIED",
      kind: "unauthorised",
      message: `${registry.host} refused to read demo/filter:v1 (403 denied: no\\x1b[2J entry for you)`,
      hint: expect.stringContaining(`wasme login ${registry.host}`),
    });
    registry.reset();
    registry.on(
      "manifest.get",
      fault.change(() => ({ status: 400, headers: {}, body: Buffer.alloc(200_000, "x") })),
    );
    await expect(repository().fetchManifest("v1")).rejects.toMatchObject({ code: "REGISTRY_REFUSED" });
  });

  it("names a blob that is not there", async () => {
    const absent = describeBytes(MediaType.soloModule, Buffer.from("absent"));
    await expect(readAll(repository().fetch(absent))).rejects.toMatchObject({
      code: "BLOB_NOT_FOUND",
      kind: "not-found",
    });
  });
});

function otherDigest(image: TestImage): Record<string, string> {
  return { "content-type": MediaType.ociManifest, "docker-content-digest": image.configDescriptor.digest };
}

function tooManyUntold(): ReturnType<typeof fault.change> {
  return fault.change((answer) => {
    const { "content-length": _length, ...rest } = answer.headers;
    return { headers: rest, body: Buffer.concat([answer.body, Buffer.alloc(7)]) };
  });
}

/** The bodies of so many answers, from the first on, may be silent for a moment only. */
function hurriedAnswers(count: number): HttpTransport {
  let left = count;
  return hurriedTransport(() => (left-- > 0 ? { bodyIdleTimeoutMs: 300 } : undefined));
}
