import { randomBytes } from "node:crypto";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { digestOf } from "../../src/domain/digest.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { type RegistryServer, startRegistryServer } from "../../src/hub/registry-server.ts";
import { openStore } from "../../src/store/image-store.ts";
import { rawRequest, type RawResponse } from "../components/raw-http.ts";
import { storeTestImage, testImage } from "../support/fault-image.ts";
import { tempDir } from "../support/temp-dir.ts";
import { mountTmpfs } from "../support/tmpfs.ts";
import { codesOf } from "./hub-support.ts";

/** A registry over a store on a disk with a will of its own. */
describe("the registry server on a difficult disk", () => {
  async function serve(dir: string, waitMs?: number): Promise<RegistryServer> {
    const store = openStore(dir, waitMs === undefined ? {} : { waitMs });
    const server = await startRegistryServer({ store, name: "hub.test" });
    onTestFinished(async () => await server.close());
    return server;
  }

  function upload(server: RegistryServer, bytes: Uint8Array): Promise<RawResponse> {
    const url = `${server.url}/v2/demo/a/blobs/uploads/?digest=${digestOf(bytes)}`;
    return rawRequest({ url, method: "POST", body: bytes });
  }

  it("says that the disk is full, leaves nothing of the upload, and goes on", async (context) => {
    const { dir } = mountTmpfs(context, "4m");
    const server = await serve(join(dir, "images"));
    expect((await upload(server, randomBytes(100_000))).status).toBe(201);
    for (const size of [6_000_000, 30_000_000]) {
      const answer = await upload(server, randomBytes(size));
      expect(answer.status).toBe(507);
      expect(codesOf(answer)).toEqual(["UNKNOWN"]);
      expect(answer.text).toContain("disk of the registry is full");
      expect(answer.text).not.toContain(dir);
      expect(readdirSync(join(dir, "images", "ingest"))).toEqual([]);
    }
    expect((await upload(server, randomBytes(100_000))).status).toBe(201);
  });

  it("serves what a read-only disk has", async (context) => {
    const { dir, remount } = mountTmpfs(context, "4m");
    const image = testImage(2000);
    await storeTestImage(openStore(join(dir, "images")), image, "hub.test/demo/a:v1");
    remount("ro");
    const server = await serve(join(dir, "images"));
    const ask = async (method: string, path: string): Promise<number> =>
      (await rawRequest({ url: `${server.url}${path}`, method })).status;
    expect(await ask("GET", "/v2/demo/a/manifests/v1")).toBe(200);
    expect(await ask("GET", `/v2/demo/a/blobs/${image.moduleDescriptor.digest}`)).toBe(200);
    expect(await ask("GET", "/v2/_catalog")).toBe(200);
    expect((await upload(server, randomBytes(10))).status).toBe(500);
    remount("rw");
  });

  it("says that the store is busy when another process holds it for long", async () => {
    const dir = tempDir();
    const image = testImage(2000);
    const server = await serve(dir, 50);
    await storeTestImage(openStore(dir), image, "hub.test/demo/a:v1");
    const lock = join(dir, "index.lock");
    // As another host's lock: whether its process still runs cannot be told from here.
    writeFileSync(lock, JSON.stringify({ pid: 1, host: "elsewhere", boot: "x", started: "x" }));
    const body = image.manifest;
    const headers = { "content-type": MediaType.ociManifest };
    const put = (): Promise<RawResponse> =>
      rawRequest({ url: `${server.url}/v2/demo/a/manifests/v2`, method: "PUT", body, headers });
    const answer = await put();
    expect(answer).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
    expect(answer.text).not.toContain(dir);
    rmSync(lock);
    expect((await put()).status).toBe(201);
  });
});
