import { once } from "node:events";
import { rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf, digestParts } from "../../src/domain/digest.ts";
import { waitFor } from "../components/wait.ts";
import { testImage } from "../support/fault-image.ts";
import { status as answering } from "../support/fault-kinds.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";
import { pinned, push, startTestCache, type TestCache } from "./cache-support.ts";

const image = testImage(300_000, "http");
const module = image.moduleDescriptor.digest;
const { hex } = digestParts(module);
const ABSENT = "a".repeat(64);

let registry: FaultRegistry;
let reference: string;

beforeAll(async () => {
  registry = await startFaultRegistry();
  reference = await push(registry.host, "team/http:v1", image);
});
afterAll(() => registry.close());

async function serving(): Promise<TestCache> {
  const cache = await startTestCache({ references: [reference] });
  await cache.ready();
  return cache;
}

/** A connection on which bytes are written by hand. */
async function dial(url: string): Promise<{ readonly socket: Socket; readonly read: () => string }> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return { socket, read: () => text };
}

describe("GET and HEAD of a module", () => {
  it("finds it however its digest is written", async () => {
    const cache = await serving();
    for (const path of [
      `/${hex}`,
      `/sha256:${hex}`,
      `/sha256%3A${hex}`,
      `/${hex}.wasm`,
      `/${hex.toUpperCase()}`,
      `/any/where/${hex}`,
      `/${hex}?x=1`,
    ]) {
      const answer = await cache.get(path);
      expect([path, answer.status, digestOf(answer.body)]).toEqual([path, 200, module]);
    }
    const head = await cache.get(`/${hex}`, { method: "HEAD" });
    expect([head.status, head.headers["content-length"], head.body.byteLength]).toEqual([200, "300000", 0]);
    expect(head.headers).toMatchObject({
      etag: `"${module}"`,
      "accept-ranges": "bytes",
      "content-type": "application/wasm",
      "last-modified": "Sat, 01 Jan 2000 00:00:00 GMT",
      vary: "Accept-Encoding",
    });
  });

  it("sends the parts that are asked for", async () => {
    const cache = await serving();
    const ask = async (range: string, more: Record<string, string> = {}): Promise<readonly unknown[]> => {
      const answer = await cache.module(module, { headers: { range, ...more } });
      return [answer.status, answer.headers["content-range"], answer.body.byteLength];
    };
    expect(await ask("bytes=0-9")).toEqual([206, "bytes 0-9/300000", 10]);
    expect(await ask("bytes=-5")).toEqual([206, "bytes 299995-299999/300000", 5]);
    expect(await ask("bytes=299000-")).toEqual([206, "bytes 299000-299999/300000", 1000]);
    expect(await ask("bytes=0-0,5-6")).toEqual([200, undefined, 300_000]);
    expect(await ask("lines=1-2")).toEqual([200, undefined, 300_000]);
    expect(await ask("bytes=300000-")).toEqual([416, "bytes */300000", 0]);
    expect(await ask("bytes=0-9", { "if-range": `"${module}"` })).toEqual([206, "bytes 0-9/300000", 10]);
    expect(await ask("bytes=0-9", { "if-range": '"other"' })).toEqual([200, undefined, 300_000]);
    const part = await cache.module(module, { headers: { range: "bytes=100-199" } });
    expect(part.body.equals(image.module.subarray(100, 200))).toBe(true);
  });

  it("says when nothing changed", async () => {
    const cache = await serving();
    const ask = async (headers: Record<string, string>): Promise<number> =>
      (await cache.module(module, { headers })).status;
    expect(await ask({ "if-none-match": `"${module}"` })).toBe(304);
    expect(await ask({ "if-none-match": `"x", W/"${module}"` })).toBe(304);
    expect(await ask({ "if-none-match": `"${module}+gzip"` })).toBe(304);
    expect(await ask({ "if-none-match": "*" })).toBe(304);
    expect(await ask({ "if-none-match": '"other"' })).toBe(200);
    expect(await ask({ "if-modified-since": "Sat, 01 Jan 2000 00:00:00 GMT" })).toBe(304);
    expect(await ask({ "if-modified-since": "Fri, 31 Dec 1999 00:00:00 GMT" })).toBe(200);
  });

  it("answers no digest with a 4xx, whatever the state", async () => {
    const cache = await startTestCache({ references: [reference], maxHeld: 3, holdMs: 300 });
    await cache.ready();
    const answers = await Promise.all(Array.from({ length: 12 }, () => cache.get(`/${ABSENT}`)));
    for (const { status, headers } of answers) expect([status, headers["retry-after"]]).toEqual([503, "1"]);
    const refused = await cache.get(`/${hex}`, { method: "POST", body: "x" });
    expect([refused.status, refused.headers.allow]).toEqual([405, "GET, HEAD"]);
  });

  it("holds who asks too early until the module is there", async () => {
    const late = testImage(50_000, "held");
    const name = await push(registry.host, "team/held:v1", late);
    registry.on(() => true, answering(503));
    const cache = await startTestCache({ references: [name], holdMs: 30_000 });
    const asked = cache.module(late.moduleDescriptor.digest);
    await waitFor("the request to be held", async () =>
      (await cache.metric("wasme_cache_held_requests")) === 1 ? true : undefined,
    );
    registry.reset();
    const answer = await asked;
    expect([answer.status, digestOf(answer.body)]).toEqual([200, late.moduleDescriptor.digest]);
    expect(await cache.metric("wasme_cache_held_requests")).toBe(0);
  });

  it("forgets the held whose client left", async () => {
    const cache = await startTestCache({ references: [reference], holdMs: 60_000 });
    const { socket } = await dial(cache.url);
    socket.write(`GET /${ABSENT} HTTP/1.1\r\nhost: cache\r\n\r\n`);
    await waitFor("the request to be held", async () =>
      (await cache.metric("wasme_cache_held_requests")) === 1 ? true : undefined,
    );
    socket.destroy();
    const none = await waitFor("nobody to be held", async () =>
      (await cache.metric("wasme_cache_held_requests")) === 0 ? true : undefined,
    );
    expect(none).toBe(true);
  });
});

describe("what is asked by name", () => {
  it("is answered for listed references only, and pulls nothing", async () => {
    const other = await push(registry.host, "team/unlisted:v1", testImage(1000, "unlisted"));
    const cache = await serving();
    registry.reset();
    const status = async (path: string): Promise<number> => (await cache.get(`/${path}`)).status;
    expect(await status(reference)).toBe(200);
    expect(await status(pinned(reference, image))).toBe(200);
    expect(await status(`${registry.host}/team/http@${image.manifestDescriptor.digest}`)).toBe(200);
    expect(await status(other)).toBe(404);
    expect(await status(`${registry.host}/team/http:v2`)).toBe(404);
    expect(await status(`${registry.host}/team/http@sha256:${ABSENT}`)).toBe(404);
    // What a name means may change: only its digest says that it did not.
    const since = "Sat, 01 Jan 2000 00:00:00 GMT";
    for (const path of [`/${reference}`, "/v2/team/http/manifests/v1"]) {
      const named = await cache.get(path, { headers: { "if-modified-since": since } });
      const part = await cache.get(path, { headers: { range: "bytes=0-1", "if-range": since } });
      expect([path, named.status, named.headers["last-modified"], part.status]).toEqual([path, 200, undefined, 200]);
      const tag = named.headers.etag ?? "";
      expect((await cache.get(path, { headers: { "if-none-match": tag } })).status).toBe(304);
    }
    for (const path of [
      "",
      "/",
      "//",
      "..%2f..%2fetc/passwd",
      ".cache.json",
      "%2e%2e/.cache.json",
      ".images",
      "%zz",
      "%00",
    ]) {
      expect([path, await status(path)]).toEqual([path, 404]);
    }
    expect(registry.requests.filter(({ path }) => path.includes("unlisted"))).toEqual([]);
  });

  it("is not refused as long as nobody knows what is listed", async () => {
    const cache = await startTestCache({ refFile: "/there/is/no/such/file" });
    for (const path of [reference, `v2/team/http/manifests/v1`, `v2/team/http/blobs/${module}`]) {
      const { status, headers } = await cache.get(`/${path}`);
      expect([path, status, headers["retry-after"]]).toEqual([path, 503, "1"]);
    }
  });

  it("that is listed and missing is not refused, and comes back with the next start", async () => {
    const cache = await serving();
    const { directory } = cache;
    const path = `/v2/team/http/blobs/${image.configDescriptor.digest}`;
    const file = join(directory, ".images", digestParts(image.configDescriptor.digest).hex);
    await rm(file);
    const answer = await cache.get(path);
    expect([answer.status, answer.headers["retry-after"]]).toEqual([503, "1"]);
    await cache.stop();
    await rm(file, { force: true });
    const again = await startTestCache({ references: [pinned(reference, image)], directory });
    await waitFor("the blob", async () => ((await again.get(path)).status === 200 ? true : undefined));
  });

  it("is a read-only registry of what is listed", async () => {
    await push(registry.host, "team/unlisted:v1", testImage(1000, "unlisted"));
    const cache = await serving();
    const status = async (path: string, method = "GET"): Promise<number> =>
      (await cache.get(`/v2/${path}`, { method })).status;
    const manifest = await cache.get("/v2/team/http/manifests/v1");
    expect([manifest.status, digestOf(manifest.body), manifest.headers["content-type"]]).toEqual([
      200,
      image.manifestDescriptor.digest,
      "application/vnd.oci.image.manifest.v1+json",
    ]);
    expect(manifest.headers["docker-content-digest"]).toBe(image.manifestDescriptor.digest);
    expect(await status("")).toBe(200);
    expect(await status(`${registry.host}/team/http/manifests/${image.manifestDescriptor.digest}`)).toBe(200);
    expect(await status(`team/http/manifests/v1?ns=${registry.host}`)).toBe(200);
    expect(await status("team/http/manifests/v1?ns=ghcr.io")).toBe(404);
    const blob = await cache.get(`/v2/team/http/blobs/${module}`);
    expect(digestOf(blob.body)).toBe(module);
    expect(await status(`team/http/blobs/${image.configDescriptor.digest}`)).toBe(200);
    expect(await status(`team/other/blobs/${module}`)).toBe(404);
    expect(await status("team/unlisted/manifests/v1")).toBe(404);
    expect(await status("team/http/manifests/v2")).toBe(404);
    expect(await status(`team/http/blobs/sha256:${ABSENT}`)).toBe(404);
    for (const method of ["PUT", "POST", "PATCH", "DELETE"])
      expect(await status("team/http/blobs/uploads/", method)).toBe(405);
  });
});

describe("clients that take their time", () => {
  it("are cut off when they send their request a byte at a time", async () => {
    const cache = await serving();
    const { socket, read } = await dial(cache.url);
    const closed = once(socket, "close");
    socket.write("GET / HTTP/1.1\r\nhost: cache\r\nx: ");
    const drip = setInterval(() => socket.write("y"), 500);
    await closed;
    clearInterval(drip);
    expect(read()).toBe(""); // Any 4xx would be final for a proxy that was only slow.
  }, 60_000);
});

describe("a cache that is asked to end", () => {
  it("turns unready, serves on, finishes bodies and lets go of who is held", async () => {
    const large = testImage(12_000_000, "body");
    const name = await push(registry.host, "team/body:v1", large);
    // One second of this machine's time.
    const cache = await startTestCache({ references: [name], drainMs: 20_000, holdMs: 3_600_000 });
    await cache.ready();
    const { socket, read } = await dial(cache.url);
    socket.pause();
    socket.write(`GET /${digestParts(large.moduleDescriptor.digest).hex} HTTP/1.1\r\nhost: cache\r\n\r\n`);
    const held = cache.get(`/${ABSENT}`);
    await waitFor("the request to be held", async () =>
      (await cache.metric("wasme_cache_held_requests")) === 1 ? true : undefined,
    );
    const ended = cache.stop();
    await waitFor("unreadiness", async () => ((await cache.get("/readyz")).status === 503 ? true : undefined));
    const served = await cache.module(large.moduleDescriptor.digest);
    expect([served.status, served.headers.connection]).toEqual([200, "close"]);
    expect((await held).status).toBe(503);

    const whole = once(socket, "end");
    socket.resume();
    await whole;
    expect(read()).toMatch(/content-length: 12000000/u);
    expect(read().length - read().indexOf("\r\n\r\n") - 4).toBe(12_000_000);
    await ended;
    await expect(dial(cache.url)).rejects.toThrow(/ECONNREFUSED/u);
  });
});
