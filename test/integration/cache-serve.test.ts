import { appendFile, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { digestOf, digestParts } from "../../src/domain/digest.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { createRegistryClient } from "../../src/registry/client.ts";
import { waitFor } from "../components/wait.ts";
import { testImage } from "../support/fault-image.ts";
import { refuse, silence, status, wrongByte } from "../support/fault-kinds.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";
import { knownLayouts } from "../support/layouts.ts";
import { putRemote } from "../support/remote-layouts.ts";
import { tempDir } from "../support/temp-dir.ts";
import { pinned, push, startTestCache, type TestCache } from "./cache-support.ts";

const SIZE = 40_000;

let registry: FaultRegistry;

beforeAll(async () => {
  registry = await startFaultRegistry();
});
afterAll(() => registry.close());

function fileOf(cache: TestCache, image: { readonly moduleDescriptor: { readonly digest: string } }): string {
  return join(cache.directory, `${image.moduleDescriptor.digest.slice("sha256:".length)}.wasm`);
}

const fresh = (): void => registry.reset();

describe("a node's cache", () => {
  it("publishes a module under its digest, for everybody to read, and leaves nothing else", async () => {
    fresh();
    const image = testImage(SIZE, "publish");
    const reference = await push(registry.host, "team/publish:v1", image);
    const cache = await startTestCache({ references: [reference] });
    await cache.ready();

    const answer = await cache.module(image.moduleDescriptor.digest);
    expect(answer.status).toBe(200);
    expect(digestOf(answer.body)).toBe(image.moduleDescriptor.digest);
    expect(digestOf(await readFile(fileOf(cache, image)))).toBe(image.moduleDescriptor.digest);
    expect((await stat(fileOf(cache, image))).mode & 0o777).toBe(0o644);
    // What is remembered of it is written beside, and nobody waits for that.
    await waitFor("nothing unfinished", async () =>
      (await readdir(cache.directory)).some((name) => name.startsWith(".tmp-")) ? undefined : true,
    );
    await waitFor("its memory", async () => stat(join(cache.directory, ".cache.json")).catch(() => undefined));
  });

  it("fetches a module once, whatever the number of references, tags and requests", async () => {
    fresh();
    const image = testImage(SIZE, "once");
    const names = ["team/a:v1", "team/a:v2", "team/b:v1"];
    const references = await Promise.all(names.map((name) => push(registry.host, name, image)));
    registry.reset();
    const cache = await startTestCache({
      references: [...references, pinned(references[0] ?? "", image)],
      holdMs: 20_000,
    });
    const asked = Array.from({ length: 20 }, () => cache.module(image.moduleDescriptor.digest));
    for (const answer of await Promise.all(asked)) expect(answer.status).toBe(200);
    await cache.ready();

    const blob = registry.requests.filter(({ path }) => path.includes(image.moduleDescriptor.digest));
    expect(blob.filter(({ method }) => method === "GET")).toHaveLength(1);
  });

  it("serves every layout, however the module is packed", async () => {
    fresh();
    const client = createRegistryClient({ env: {} });
    onTestFinished(() => client.close());
    const { module } = testImage(SIZE, "layouts");
    const layouts = Object.entries(knownLayouts(module, '{"type":"envoy_proxy","abiVersions":[]}'));
    const references = layouts.map((_, index) => `${registry.host}/layouts/l${index}:v1`);
    for (const [index, [, layout]] of layouts.entries()) await putRemote(client, references[index] ?? "", layout);
    const cache = await startTestCache({ references });
    await cache.ready();
    expect(layouts.length).toBeGreaterThan(4);
    expect(await cache.metric('wasme_cache_entries{state="ready"}')).toBe(layouts.length);
    expect(await cache.metric("wasme_cache_modules")).toBe(1);
    expect(digestOf((await cache.module(digestOf(module))).body)).toBe(digestOf(module));
  });

  it("notices a tag that was pushed again, and serves the old module on", async () => {
    fresh();
    const [before, after] = [testImage(SIZE, "tag-1"), testImage(SIZE, "tag-2")];
    const reference = await push(registry.host, "team/moved:v1", before);
    const cache = await startTestCache({ references: [reference] });
    await cache.ready();
    await push(registry.host, "team/moved:v1", after);

    await waitFor("the new module", async () =>
      (await cache.module(after.moduleDescriptor.digest)).status === 200 ? true : undefined,
    );
    await waitFor("the reference to mean it", async () =>
      (await cache.get(`/${reference}`)).body.equals(after.module) ? true : undefined,
    );
    expect((await cache.module(before.moduleDescriptor.digest)).status).toBe(200);
  });

  it("evicts what nobody lists any more, but not before it lingered", async () => {
    fresh();
    const [kept, dropped] = [testImage(SIZE, "kept"), testImage(SIZE, "dropped")];
    const list = join(tempDir(), "images.txt");
    const [one, two] = [
      await push(registry.host, "team/kept:v1", kept),
      await push(registry.host, "team/dropped:v1", dropped),
    ];
    await writeFile(list, `${one}\n\n# a comment\n${two}\n`);
    const cache = await startTestCache({ refFile: list, lingerMs: 40_000 });
    await cache.ready();
    await writeFile(list, `${one}\n`);
    await waitFor("the module to be unlisted", async () =>
      (await cache.metric('wasme_cache_entries{state="ready"}')) === 1 ? true : undefined,
    );
    expect((await cache.module(dropped.moduleDescriptor.digest)).status).toBe(200);
    expect((await cache.get(`/${two}`)).status).toBe(404);

    await waitFor("the eviction", async () =>
      (await cache.metric("wasme_cache_evictions_total")) === 1 ? true : undefined,
    );
    expect((await cache.module(dropped.moduleDescriptor.digest)).status).toBe(503);
    expect((await cache.module(kept.moduleDescriptor.digest)).status).toBe(200);
    const blobs = await readdir(join(cache.directory, ".images"));
    expect(blobs).not.toContain(digestParts(dropped.manifestDescriptor.digest).hex);
    expect(blobs).toContain(digestParts(kept.manifestDescriptor.digest).hex);
  });

  it("reports what is no image, and is not held up by it", async () => {
    fresh();
    const image = testImage(SIZE, "beside");
    const good = await push(registry.host, "team/beside:v1", image);
    const client = createRegistryClient({ env: {} });
    onTestFinished(() => client.close());
    const bad = `${registry.host}/team/bad:v1`;
    await putRemote(client, bad, {
      layers: [{ mediaType: MediaType.soloModule, bytes: Buffer.from("#!/bin/sh\n".repeat(50)) }],
    });
    const list = join(tempDir(), "images.txt");
    await writeFile(list, [`NOT A REFERENCE`, bad, `${registry.host}/team/missing:v1`, good].join("\n"));
    const cache = await startTestCache({ refFile: list });
    await cache.ready();
    expect((await cache.module(image.moduleDescriptor.digest)).status).toBe(200);
    expect(await cache.metric('wasme_cache_entries{state="failed"}')).toBe(3);
    const why = cache.log.filter(({ msg }) => msg === "image failed").map(({ why: text }) => String(text));
    expect(why.toSorted()).toEqual([
      expect.stringMatching(/team\/bad:v1.* does not hold a WebAssembly module/u),
      expect.stringMatching(/invalid image reference "NOT A REFERENCE"/u),
      expect.stringMatching(/the registry has no image .*missing:v1/u),
    ]);
    expect((await readdir(cache.directory)).filter((name) => !name.startsWith("."))).toHaveLength(1);
  });

  it("never serves a module that was altered: it is removed and fetched again", async () => {
    fresh();
    const image = testImage(SIZE, "altered");
    const reference = await push(registry.host, "team/altered:v1", image);
    const cache = await startTestCache({ references: [pinned(reference, image)], holdMs: 20_000 });
    await cache.ready();
    for (const harm of [
      (path: string) => appendFile(path, "x"),
      (path: string) => truncate(path, 100),
      (path: string) => writeFile(path, Buffer.alloc(SIZE, 7)),
      (path: string) => rm(path),
    ]) {
      await harm(fileOf(cache, image));
      const answer = await cache.module(image.moduleDescriptor.digest);
      expect([answer.status, digestOf(answer.body)]).toEqual([200, image.moduleDescriptor.digest]);
    }
    expect(await cache.metric('wasme_cache_lost_files_total{why="altered"}')).toBe(3);
    expect(await cache.metric('wasme_cache_lost_files_total{why="gone"}')).toBe(1);
  });

  it("notices that a module is gone although nobody asks for it: proxies that read files ask nobody", async () => {
    fresh();
    const image = testImage(SIZE, "unasked");
    const reference = await push(registry.host, "team/unasked:v1", image);
    const directory = tempDir();
    // Not even when it can remember nothing.
    await mkdir(join(directory, ".cache.json", "blocked"), { recursive: true });
    const cache = await startTestCache({ references: [pinned(reference, image)], directory });
    await cache.ready();
    await waitFor("the word of it", () => cache.log.find(({ msg }) => String(msg).startsWith("cannot tidy up")));
    await rm(fileOf(cache, image));
    await waitFor("the file", async () => (await readFile(fileOf(cache, image)).catch(() => undefined)) ?? undefined);
    expect(await cache.metric('wasme_cache_lost_files_total{why="gone"}')).toBe(1);
  });

  it("fetches from one registry while another is silent", async () => {
    fresh();
    const dead = await startFaultRegistry();
    onTestFinished(() => dead.close());
    dead.on(() => true, silence());
    const image = testImage(SIZE, "alive");
    const good = await push(registry.host, "team/alive:v1", image);
    const stuck = Array.from({ length: 9 }, (_, index) => `${dead.host}/team/s${index}@${digestOf(String(index))}`);
    const cache = await startTestCache({ references: [...stuck, pinned(good, image)], speed: 1, holdMs: 30_000 });
    expect((await cache.module(image.moduleDescriptor.digest)).status).toBe(200);
    expect(await cache.metric('wasme_cache_pulls_total{result="failed"}')).toBe(0);
    expect(await cache.metric('wasme_cache_entries{state="pulling"}')).toBeGreaterThanOrEqual(9);
  });

  it("publishes nothing of what a registry altered, says so, and heals", async () => {
    fresh();
    const image = testImage(SIZE, "damaged");
    const reference = await push(registry.host, "team/damaged:v1", image);
    registry.on(({ path }) => path.includes(image.moduleDescriptor.digest), wrongByte(), 2);
    const cache = await startTestCache({ references: [reference] });
    await waitFor("the report", () => cache.log.find(({ msg }) => msg === "image failed"));
    expect(await readdir(cache.directory)).not.toContain(`${digestParts(image.moduleDescriptor.digest).hex}.wasm`);
    expect((await cache.get("/readyz")).status).toBe(200); // failed for good as far as anybody knows
    await waitFor("the next try", async () =>
      (await cache.module(image.moduleDescriptor.digest)).status === 200 ? true : undefined,
    );
  });
});

describe("a cache that starts again", () => {
  it("serves what it has without its registry, verified, and cleans up after the one before", async () => {
    fresh();
    const [good, bad] = [testImage(SIZE, "again"), testImage(SIZE, "again-bad")];
    const tag = await push(registry.host, "team/again:v1", good);
    const other = pinned(await push(registry.host, "team/again:v2", bad), bad);
    const first = await startTestCache({ references: [tag, other] });
    await first.ready();
    await first.stop();
    await truncate(fileOf(first, bad), 10);
    await writeFile(join(first.directory, ".tmp-0123456789abcdef"), "half of a module");
    registry.on(() => true, status(503));

    const { directory } = first;
    const second = await startTestCache({ references: [tag, other], directory });
    expect(digestOf((await second.module(good.moduleDescriptor.digest)).body)).toBe(good.moduleDescriptor.digest);
    expect((await second.module(bad.moduleDescriptor.digest)).status).toBe(503);
    expect(await readdir(directory)).not.toContain(".tmp-0123456789abcdef");
    expect((await second.get("/readyz")).status).toBe(503);
    registry.reset();
    await second.ready();
    expect((await second.module(bad.moduleDescriptor.digest)).status).toBe(200);
  });

  it("goes on counting how long a module lingers, and evicts nothing it cannot place", async () => {
    fresh();
    const [kept, dropped] = [testImage(SIZE, "restart-kept"), testImage(SIZE, "restart-dropped")];
    const one = await push(registry.host, "team/rk:v1", kept);
    const two = await push(registry.host, "team/rd:v1", dropped);
    const first = await startTestCache({ references: [one, two] });
    await first.ready();
    await first.stop();
    const { directory } = first;
    const lingered = async (image = dropped): Promise<number> => {
      const memory = JSON.parse(await readFile(join(directory, ".cache.json"), "utf8")) as {
        lingered: Record<string, number>;
      };
      return memory.lingered[image.moduleDescriptor.digest] ?? 0;
    };
    const second = await startTestCache({ references: [one], directory, lingerMs: 30_000 });
    const before = await waitFor("some lingering", async () => ((await lingered()) > 0 ? await lingered() : undefined));
    await second.stop();
    expect(before).toBeGreaterThan(0);
    const third = await startTestCache({ references: [one], directory, lingerMs: 30_000 });
    expect(await lingered()).toBeGreaterThanOrEqual(before);
    await waitFor("the eviction", async () =>
      (await third.metric("wasme_cache_evictions_total")) === 1 ? true : undefined,
    );
    await third.stop();

    // Its memory lost and the registry silent: the module may be the one that is listed.
    await rm(join(directory, ".cache.json"));
    registry.on(() => true, silence());
    const fourth = await startTestCache({ references: [one], directory, lingerMs: 2000, speed: 200 });
    await waitFor("ten times its linger", async () =>
      (await lingered(kept).catch(() => 0)) > 20_000 ? true : undefined,
    );
    expect((await fourth.module(kept.moduleDescriptor.digest)).status).toBe(200);
    registry.reset();
  });
});

describe("what a registry does wrong", () => {
  it("is waited for when it may pass: the entry stays pulling, the node unready", async () => {
    fresh();
    const image = testImage(SIZE, "passing");
    const reference = await push(registry.host, "team/passing:v1", image);
    registry.on(() => true, status(503));
    const cache = await startTestCache({ references: [reference] });
    await waitFor("a few tries", () =>
      cache.log.filter(({ level }) => level === "warn").length >= 2 ? true : undefined,
    );
    expect(await cache.metric('wasme_cache_entries{state="pulling"}')).toBe(1);
    const red = await cache.get("/readyz");
    expect([red.status, red.text]).toEqual([
      503,
      expect.stringContaining("1 of 1 images of the list are not on the node yet"),
    ]);
    expect(red.text).not.toContain("passing");
    expect((await cache.get("/healthz")).status).toBe(200);
    registry.reset();
    await cache.ready();
  });

  it("is reported when it says no, and asked again later", async () => {
    fresh();
    const image = testImage(SIZE, "refused");
    const reference = await push(registry.host, "team/refused:v1", image);
    registry.on(() => true, refuse(403, "DENIED", "not you"));
    const cache = await startTestCache({ references: [reference] });
    await cache.ready();
    expect(await cache.metric('wasme_cache_entries{state="failed"}')).toBe(1);
    registry.reset();
    await waitFor("a later try", async () =>
      (await cache.module(image.moduleDescriptor.digest)).status === 200 ? true : undefined,
    );
  });

  it("is reported as failed when it lasts: one dead registry must not keep a node away for ever", async () => {
    fresh();
    const reference = "127.0.0.1:1/team/gone:v1";
    const cache = await startTestCache({ references: [reference], speed: 400 });
    await cache.ready();
    expect(await cache.metric('wasme_cache_entries{state="failed"}')).toBe(1);
    expect(cache.log.find(({ msg }) => msg === "image failed")).toMatchObject({
      why: expect.stringContaining("cannot reach 127.0.0.1:1"),
    });
  });
});

describe("the size cap", () => {
  it("refuses what does not fit, evicts what lingers first, and takes it once there is room", async () => {
    fresh();
    const [old, listed, large] = [
      testImage(SIZE, "cap-old"),
      testImage(SIZE, "cap-listed"),
      testImage(SIZE * 2, "cap-large"),
    ];
    const names = ["old", "listed", "large"];
    const [a = "", b = "", c = ""] = await Promise.all(
      [old, listed, large].map((image, at) => push(registry.host, `cap/${names[at] ?? ""}:v1`, image)),
    );
    const list = join(tempDir(), "images.txt");
    await writeFile(list, [a, b].join("\n"));
    const cache = await startTestCache({ refFile: list, maxBytes: SIZE * 3 + 4096 });
    await cache.ready();
    await writeFile(list, [a, b, c].join("\n"));
    const failed = await waitFor("the refusal", () => cache.log.find(({ msg }) => msg === "image failed"));
    expect(failed["why"]).toMatch(/the cache has no room for 80000 bytes more: it holds \d+ of at most 124096/u);
    for (const image of [old, listed]) expect((await cache.module(image.moduleDescriptor.digest)).status).toBe(200);

    await writeFile(list, [b, c].join("\n"));
    await waitFor("the word that there will be room", () =>
      cache.log.find(({ error }) => JSON.stringify(error ?? "").includes("served on for a moment")),
    );
    expect((await cache.module(old.moduleDescriptor.digest)).status).toBe(200);
    await waitFor("the large module", async () =>
      (await cache.module(large.moduleDescriptor.digest)).status === 200 ? true : undefined,
    );
    expect((await cache.module(old.moduleDescriptor.digest)).status).toBe(503);
    expect((await cache.module(listed.moduleDescriptor.digest)).status).toBe(200);
  });
});

describe("compressed copies", () => {
  it("are made once and served to who asks for gzip", async () => {
    fresh();
    const text = Buffer.alloc(200_000, "a filter ");
    const module = Buffer.concat([Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]), text]);
    const client = createRegistryClient({ env: {} });
    onTestFinished(() => client.close());
    const reference = `${registry.host}/team/gzip:v1`;
    await putRemote(client, reference, { layers: [{ mediaType: MediaType.soloModule, bytes: module }] });
    const cache = await startTestCache({ references: [reference] });
    const digest = digestOf(module);
    const headers = { "accept-encoding": "gzip" };
    const packed = await waitFor("a copy", async () => {
      const answer = await cache.module(digest, { headers });
      return answer.headers["content-encoding"] === "gzip" ? answer : undefined;
    });
    expect(digestOf(gunzipSync(packed.body))).toBe(digest);
    expect(packed.body.byteLength).toBeLessThan(20_000);
    expect(packed.headers).toMatchObject({
      vary: "Accept-Encoding",
      etag: `"${digest}+gzip"`,
      "content-length": String(packed.body.byteLength),
    });
    const plain = await cache.module(digest, { headers: { "accept-encoding": "gzip;q=0, br" } });
    expect([plain.headers["content-encoding"], plain.headers.vary, plain.body.byteLength]).toEqual([
      undefined,
      "Accept-Encoding",
      module.byteLength,
    ]);
    const part = await cache.module(digest, { headers: { ...headers, range: "bytes=0-3" } });
    expect([part.status, part.headers["content-encoding"], part.text]).toEqual([206, undefined, "\0asm"]);
  });
});
