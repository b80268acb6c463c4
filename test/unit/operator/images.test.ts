import { expect, it } from "vitest";
import { digestOf } from "../../../src/domain/digest.ts";
import { parseImageReference } from "../../../src/domain/image-reference.ts";
import { Images } from "../../../src/operator/images.ts";
import { createRegistryClient } from "../../../src/registry/client.ts";
import { knownLayouts } from "../../support/layouts.ts";
import { type ManualClock, manualClock } from "../../support/manual-clock.ts";
import { scriptedTransport } from "../../support/scripted-transport.ts";

const NO_FLAGS = { insecure: false, plainHttp: false, pull: undefined };
const MODULE = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

/** A registry with one image, which can be away. */
function registry(clock: ManualClock): {
  readonly images: Images;
  /** What is wrong with it. */
  readonly state: { away: boolean; slow: boolean; alters: boolean };
  asked(): number;
} {
  const state = { away: false, slow: false, alters: false };
  const layout = knownLayouts(MODULE, "{}")["solo, two layers"];
  const layers = layout?.layers ?? [];
  const config = layout?.config ?? { mediaType: "application/vnd.oci.empty.v1+json", bytes: Buffer.from("{}") };
  const described = [config, ...layers].map(({ mediaType, bytes }) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.byteLength,
  }));
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType, config: described[0], layers: described.slice(1) }),
  );
  const blobs = new Map([config, ...layers].map(({ bytes }) => [digestOf(bytes) as string, bytes]));
  const transport = scriptedTransport(({ url, method, signal }) => {
    if (state.away) throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    const blob = blobs.get(url.pathname.split("/").at(-1) ?? "");
    if (blob !== undefined && state.slow) return { status: 200, body: never(signal) };
    const sent = state.alters ? blob?.map((byte) => byte ^ 1) : blob;
    if (sent !== undefined) return { status: 200, headers: { "content-length": `${sent.byteLength}` }, body: [sent] };
    if (!url.pathname.includes("/manifests/")) return { status: 404 };
    const headers = {
      "content-type": mediaType,
      "content-length": `${manifest.byteLength}`,
      "docker-content-digest": digestOf(manifest),
    };
    return { status: 200, headers, body: method === "HEAD" ? [] : [manifest] };
  });
  const images = new Images({
    connect: () => createRegistryClient({ env: {}, transport, clock, retryBudgetMs: 0 }),
    clock,
    resolveMs: 300_000,
  });
  return {
    images,
    state,
    asked: () => transport.requests.length,
  };
}

/** A body of which nothing comes. */
async function* never(signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  await new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason as Error)));
  yield MODULE;
}

const tag = (name: string): ReturnType<typeof parseImageReference> => parseImageReference(`example.com/team/${name}`);

it("remembers what was known while the registry is away, and asks again after a minute", async () => {
  const clock = manualClock();
  const one = registry(clock);
  const { image } = await one.images.resolve(tag("a:v1"), NO_FLAGS);
  await clock.advance(300_000);
  one.state.away = true;
  const stale = await one.images.resolve(tag("a:v1"), NO_FLAGS);
  expect(stale).toMatchObject({ image, stale: expect.stringContaining("example.com") as string });
  const asked = one.asked();
  await clock.advance(59_000);
  expect((await one.images.resolve(tag("a:v1"), NO_FLAGS)).stale).toBeDefined();
  expect(one.asked()).toBe(asked);
  one.state.away = false;
  await clock.advance(1000);
  expect(await one.images.resolve(tag("a:v1"), NO_FLAGS)).toEqual({ image });
});

it("leaves a registry alone that was away a moment ago, whatever image is wanted", async () => {
  const clock = manualClock();
  const one = registry(clock);
  one.state.away = true;
  await expect(one.images.resolve(tag("a:v1"), NO_FLAGS)).rejects.toMatchObject({ kind: "unreachable" });
  const asked = one.asked();
  for (const name of ["b:v1", "c:v1", "a:v1"]) {
    await expect(one.images.resolve(tag(name), NO_FLAGS)).rejects.toMatchObject({ kind: "unreachable" });
  }
  expect(one.asked()).toBe(asked);
  // Another registry, or the same one spoken to in another way, is another matter.
  await expect(one.images.resolve(tag("a:v1"), { ...NO_FLAGS, plainHttp: true })).rejects.toMatchObject({
    kind: "unreachable",
  });
  expect(one.asked()).toBeGreaterThan(asked);
  one.state.away = false;
  await clock.advance(10_000);
  expect((await one.images.resolve(tag("b:v1"), NO_FLAGS)).stale).toBeUndefined();
});

it("reads a small module with its image when it is needed next, and then no more", async () => {
  const one = registry(manualClock());
  const { image } = await one.images.resolve(tag("a:v1"), NO_FLAGS, { withModule: true });
  const asked = one.asked();
  expect(Buffer.from(await one.images.module(image, NO_FLAGS))).toEqual(MODULE);
  expect(one.asked()).toBe(asked);
  const other = registry(manualClock());
  await other.images.resolve(tag("a:v1"), NO_FLAGS);
  const looked = other.asked();
  await other.images.module(image, NO_FLAGS);
  expect(other.asked()).toBeGreaterThan(looked);
});

it("reads a module on for who still has time when the time of who began it is over", async () => {
  const one = registry(manualClock());
  const { image } = await one.images.resolve(tag("a:v1"), NO_FLAGS);
  one.state.slow = true;
  const looked = one.asked();
  const [first, second] = [new AbortController(), new AbortController()];
  const beginning = one.images.module(image, NO_FLAGS, first.signal);
  const joining = one.images.module(image, NO_FLAGS, second.signal);
  await expect.poll(() => one.asked()).toBeGreaterThan(looked + 1);
  one.state.slow = false;
  first.abort(new DOMException("too long", "TimeoutError"));
  await expect(beginning).rejects.toThrow("too long");
  expect(Buffer.from(await joining)).toEqual(MODULE);
});

it("takes no module that the registry altered, and reads it anew the next time", async () => {
  const one = registry(manualClock());
  const { image } = await one.images.resolve(tag("a:v1"), NO_FLAGS);
  one.state.alters = true;
  await expect(one.images.module(image, NO_FLAGS)).rejects.toMatchObject({ code: "BLOB_DAMAGED" });
  one.state.alters = false;
  expect(Buffer.from(await one.images.module(image, NO_FLAGS))).toEqual(MODULE);
});
