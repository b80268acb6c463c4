import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import { describe as describeBytes } from "../../src/domain/descriptor.ts";
import { digestOf } from "../../src/domain/digest.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { parseListenAddress } from "../../src/platform/listen-address.ts";
import { type RegistryServer, startRegistryServer } from "../../src/hub/registry-server.ts";
import { serverNames } from "../../src/hub/server-names.ts";
import { type ImageStore, openStore } from "../../src/store/image-store.ts";
import { blobPath, layoutPaths } from "../../src/store/layout.ts";
import { rawRequest, type RawResponse } from "../components/raw-http.ts";
import { putTestBlobs, storeTestImage, testImage } from "../support/fault-image.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const image = testImage(3000, "one");
const other = testImage(3000, "two");
const { moduleDescriptor: module, manifestDescriptor: manifest } = image;

/** One store, used by a registry server and by others at the same time. */
describe("the registry server over a store that others use", () => {
  let store: ImageStore;
  let server: RegistryServer;
  let dir: string;

  beforeEach(async () => {
    dir = makeTempDir();
    store = openStore(join(dir, "images"));
    server = await startRegistryServer({ store });
  });
  afterEach(async () => {
    await server.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const port = (): string => server.host.slice(server.host.lastIndexOf(":") + 1);
  const ask = (method: string, path: string, body?: Uint8Array, type?: string): Promise<RawResponse> =>
    rawRequest({
      url: `${server.url}${path}`,
      method,
      ...(body === undefined ? {} : { body }),
      ...(type === undefined ? {} : { headers: { "content-type": type } }),
    });
  const status = async (method: string, path: string): Promise<number> => (await ask(method, path)).status;
  const push = async (repository: string, target: string, what = image): Promise<void> => {
    await putTestBlobs(store, what);
    const answer = await ask("PUT", `/v2/${repository}/manifests/${target}`, what.manifest, MediaType.ociManifest);
    expect(answer.status, answer.text).toBe(201);
  };
  const references = async (): Promise<readonly string[]> =>
    (await store.names()).map(({ reference }) => reference.replace(`:${port()}/`, ":PORT/")).toSorted();

  it("serves at once what is stored under any of its names, and nothing else", async () => {
    for (const [at, host] of ["localhost", "127.0.0.1", "[::1]"].entries()) {
      await storeTestImage(store, image, `${host}:${port()}/demo/a:v${at}`);
    }
    await storeTestImage(store, other, `ghcr.io/demo/a:v9`);
    await storeTestImage(store, other, `localhost:1/demo/a:v9`);
    for (const tag of ["v0", "v1", "v2"]) expect(await status("GET", `/v2/demo/a/manifests/${tag}`)).toBe(200);
    expect(await status("GET", "/v2/demo/a/manifests/v9")).toBe(404);
    expect(await status("GET", `/v2/demo/a/blobs/${module.digest}`)).toBe(200);
    expect(await status("GET", `/v2/demo/a/blobs/${other.moduleDescriptor.digest}`)).toBe(404);
    const tags = JSON.parse((await ask("GET", "/v2/demo/a/tags/list")).text) as object;
    expect(tags).toEqual({ name: "demo/a", tags: ["v0", "v1", "v2"] });
  });

  it("keeps what is pushed under localhost, which wins over the other names, and deletes it under all", async () => {
    await storeTestImage(store, other, `127.0.0.1:${port()}/demo/a:v1`);
    await push("demo/a", "v1");
    expect((await ask("GET", "/v2/demo/a/manifests/v1")).headers["docker-content-digest"]).toBe(manifest.digest);
    expect(await status("GET", `/v2/demo/a/manifests/${other.manifestDescriptor.digest}`)).toBe(200);
    expect(await status("DELETE", "/v2/demo/a/manifests/v1")).toBe(202);
    expect(await status("GET", "/v2/demo/a/manifests/v1")).toBe(404);
    expect(JSON.parse((await ask("GET", "/v2/demo/a/tags/list")).text)).toMatchObject({ tags: [] });
  });

  it("keeps a manifest by its digest when its last tag moves on or goes", async () => {
    await push("demo/a", "v1");
    await push("demo/a", "v1", other);
    expect(await references()).toEqual(["localhost:PORT/demo/a:v1", `localhost:PORT/demo/a@${manifest.digest}`]);
    expect(await status("DELETE", "/v2/demo/a/manifests/v1")).toBe(202);
    for (const { digest } of [manifest, other.manifestDescriptor]) {
      expect(await status("GET", `/v2/demo/a/manifests/${digest}`)).toBe(200);
      expect(await status("DELETE", `/v2/demo/a/manifests/${digest}`)).toBe(202);
    }
    expect(await references()).toEqual([]);
  });

  it("deletes by digest every tag of this repository and nothing of another", async () => {
    for (const tag of ["v1", "v2"]) await push("demo/a", tag);
    await push("demo/b", "v1");
    expect(await status("DELETE", `/v2/demo/a/manifests/${manifest.digest}`)).toBe(202);
    expect(await references()).toEqual(["localhost:PORT/demo/b:v1"]);
    // The blobs stay in the repository until they are deleted, as in every registry.
    for (const { digest } of [module, image.configDescriptor]) {
      expect(await status("HEAD", `/v2/demo/a/blobs/${digest}`)).toBe(200);
      expect(await status("DELETE", `/v2/demo/a/blobs/${digest}`)).toBe(202);
      expect(await status("HEAD", `/v2/demo/a/blobs/${digest}`)).toBe(404);
      expect(await status("DELETE", `/v2/demo/a/blobs/${digest}`)).toBe(404);
      expect(await status("HEAD", `/v2/demo/b/blobs/${digest}`)).toBe(200);
    }
    expect(await store.verify(module)).toBe(true);
  });

  it("refuses to delete a blob that a manifest of the repository needs, and says which", async () => {
    await push("demo/a", "v1");
    const answer = await ask("DELETE", `/v2/demo/a/blobs/${module.digest}`);
    expect(answer.status).toBe(405);
    expect(JSON.parse(answer.text)).toMatchObject({
      errors: [{ code: "UNSUPPORTED", detail: { manifest: manifest.digest } }],
    });
    expect(await status("GET", `/v2/demo/a/blobs/${module.digest}`)).toBe(200);
  });

  it("removes the bytes of a deleted blob unless anybody names them", async () => {
    const stray = Buffer.from("stray");
    const digest = digestOf(stray);
    const upload = (repository: string): Promise<RawResponse> =>
      ask("POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, stray);
    expect([(await upload("demo/a")).status, (await upload("demo/b")).status]).toEqual([201, 201]);
    expect(await status("DELETE", `/v2/demo/a/blobs/${digest}`)).toBe(202);
    expect(await store.sizeOf(digest)).toBe(5); // the other repository has it
    expect(await status("GET", `/v2/demo/b/blobs/${digest}`)).toBe(200);
    expect(await status("DELETE", `/v2/demo/b/blobs/${digest}`)).toBe(202);
    expect(await store.sizeOf(digest)).toBeUndefined();

    await storeTestImage(store, image, "ghcr.io/acme/kept:v1");
    await ask("POST", `/v2/demo/a/blobs/uploads/?digest=${module.digest}`, image.module);
    expect(await status("DELETE", `/v2/demo/a/blobs/${module.digest}`)).toBe(202);
    expect(await store.verify(module)).toBe(true);
  });

  it("serves the children of an index another tool stored, until they are deleted", async () => {
    await putTestBlobs(store, image);
    await store.push(manifest, bytesSource(image.manifest));
    const index = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [manifest] }),
    );
    const descriptor = describeBytes(MediaType.ociIndex, index);
    await store.push(descriptor, bytesSource(index));
    await store.tag(`${server.name}/demo/multi:v1`, descriptor);
    const child = `/v2/demo/multi/manifests/${manifest.digest}`;
    expect(await status("GET", child)).toBe(200);
    expect(await status("GET", `/v2/demo/multi/blobs/${module.digest}`)).toBe(200);
    expect(await status("GET", `/v2/demo/none/manifests/${manifest.digest}`)).toBe(404);
    expect(await status("DELETE", child)).toBe(202);
    expect(await status("GET", child)).toBe(404);
    expect(await status("GET", "/v2/demo/multi/manifests/v1")).toBe(200);
    const again = await ask("PUT", child, image.manifest, MediaType.ociManifest);
    expect(again.status).toBe(201);
    expect(await status("GET", child)).toBe(200);
  });

  it("replaces a damaged image, and does not fail for it elsewhere", async () => {
    await push("demo/a", "v1", other);
    await push("demo/a", "v2");
    for (const { digest } of [other.manifestDescriptor, other.moduleDescriptor]) {
      rmSync(blobPath(layoutPaths(store.dir), digest));
    }
    expect(await status("GET", "/v2/demo/a/manifests/v1")).toBe(404);
    expect(await status("GET", "/v2/demo/a/manifests/v2")).toBe(200);
    expect(await status("GET", `/v2/demo/a/referrers/${manifest.digest}`)).toBe(200);
    await push("demo/a", "v1");
    expect((await ask("GET", "/v2/demo/a/manifests/v1")).headers["docker-content-digest"]).toBe(manifest.digest);
  });

  it("serves what it had after a restart, and forgets blobs no manifest uses", async () => {
    const stray = Buffer.from("stray");
    await push("demo/a", "v1");
    await ask("POST", `/v2/demo/a/blobs/uploads/?digest=${digestOf(stray)}`, stray);
    await server.close();
    server = await startRegistryServer({ store, name: server.name });
    expect(await status("GET", "/v2/demo/a/manifests/v1")).toBe(200);
    expect(await status("GET", `/v2/demo/a/blobs/${module.digest}`)).toBe(200);
    expect(await status("GET", `/v2/demo/a/blobs/${digestOf(stray)}`)).toBe(404);
  });

  it("lists and serves hundreds of images without reading each anew", async () => {
    await putTestBlobs(store, image);
    for (let at = 0; at < 60; at += 1) {
      const text = JSON.stringify({ ...(JSON.parse(Buffer.from(image.manifest).toString()) as object), at });
      const bytes = Buffer.from(text);
      const descriptor = describeBytes(MediaType.ociManifest, bytes);
      await store.push(descriptor, bytesSource(bytes));
      await store.tag(`${server.name}/demo/many:v${at}`, descriptor);
    }
    let read = 0;
    const counted = new Proxy(store, {
      get: (target, key) => {
        if (key === "manifest") read += 1;
        const value = Reflect.get(target, key) as unknown;
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
    await server.close();
    server = await startRegistryServer({ store: counted, name: server.name });
    for (let round = 0; round < 3; round += 1) {
      expect(await status("GET", `/v2/demo/many/referrers/${digestOf("x")}`)).toBe(200);
      expect(await status("GET", `/v2/demo/many/blobs/${digestOf("x")}`)).toBe(404);
      expect(await status("GET", "/v2/demo/many/tags/list")).toBe(200);
    }
    expect(read).toBe(60);
  });
});

describe("serverNames", () => {
  it.each([
    ["127.0.0.1", undefined, ["localhost:5", "127.0.0.1:5", "[::1]:5"]],
    ["::1", undefined, ["localhost:5", "127.0.0.1:5", "[::1]:5"]],
    ["127.0.0.2", undefined, ["localhost:5", "127.0.0.1:5", "[::1]:5", "127.0.0.2:5"]],
    ["0.0.0.0", undefined, ["localhost:5", "127.0.0.1:5", "[::1]:5", "0.0.0.0:5"]],
    ["192.0.2.1", undefined, ["192.0.2.1:5"]],
    ["127.0.0.1", "hub.test", ["hub.test", "localhost:5", "127.0.0.1:5", "[::1]:5"]],
  ])("of %s as %s", (host, given, names) => {
    expect(serverNames(host, 5, given)).toEqual(names);
  });
});

describe("parseListenAddress", () => {
  it.each([
    ["127.0.0.1:5001", "127.0.0.1", 5001],
    ["127.0.0.1", "127.0.0.1", 5000],
    ["5001", "127.0.0.1", 5001],
    [":5001", "0.0.0.0", 5001],
    ["[::1]:0", "::1", 0],
    ["[::]:5001", "::", 5001],
    ["localhost:5001", "127.0.0.1", 5001],
    ["host-1.example:80", "host-1.example", 80],
  ])("takes %j", (text, host, port) => {
    expect(parseListenAddress(text, 5000)).toEqual({ host, port });
  });

  it.each(["", ":", "a:b", "::1:5000", "a:70000", "-a", "http://a:1", "a b", "[::1", "1.2.3.4:5:6"])(
    "refuses %j",
    (text) => {
      expect(() => parseListenAddress(text, 5000)).toThrow("is not an address to listen on");
    },
  );
});
