import { rmSync } from "node:fs";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesSource } from "../../../src/domain/content.ts";
import { describe as describeBytes } from "../../../src/domain/descriptor.ts";
import { digestOf } from "../../../src/domain/digest.ts";
import { MediaType } from "../../../src/domain/media-types.ts";
import { requestedRange } from "../../../src/platform/byte-range.ts";
import { type RegistryServer, startRegistryServer } from "../../../src/hub/registry-server.ts";
import { type ImageStore, openStore } from "../../../src/store/image-store.ts";
import { type RawRequest, rawRequest, type RawResponse } from "../../components/raw-http.ts";
import { testImage } from "../../support/fault-image.ts";
import { makeTempDir } from "../../support/temp-dir.ts";

/** The server by raw requests: what the distribution spec says an answer looks like. */
describe("the registry server", () => {
  let server: RegistryServer;
  let store: ImageStore;
  let dir: string;
  const image = testImage(5000);
  const { moduleDescriptor: blob } = image;

  beforeEach(async () => {
    dir = makeTempDir();
    store = openStore(dir);
    server = await startRegistryServer({ store, name: "hub.test" });
  });
  afterEach(async () => {
    await server.close();
    rmSync(dir, { recursive: true, force: true });
  });

  function ask(method: string, path: string, more: Omit<RawRequest, "url" | "method"> = {}): Promise<RawResponse> {
    return rawRequest({ url: path.startsWith("http") ? path : `${server.url}${path}`, method, ...more });
  }

  it("refuses a path that is none", async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(new URL(server.url).port), "127.0.0.1", () => {
        socket.write("GET // HTTP/1.1\r\nhost: hub.test\r\nconnection: close\r\n\r\n");
      });
      let text = "";
      socket.on("data", (chunk) => (text += chunk.toString("latin1")));
      socket.on("close", () => resolve(text)).on("error", reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 /u);
    expect(answer).toContain("NAME_INVALID");
  });

  async function pushBlobs(repository = "demo/a"): Promise<void> {
    for (const [descriptor, body] of [[blob, image.module] as const, [image.configDescriptor, image.config] as const]) {
      const answer = await ask("POST", `/v2/${repository}/blobs/uploads/?digest=${descriptor.digest}`, { body });
      expect(answer.status).toBe(201);
    }
  }

  async function pushManifest(target = "v1", body: Uint8Array = image.manifest): Promise<RawResponse> {
    return ask("PUT", `/v2/demo/a/manifests/${target}`, { body, headers: { "content-type": MediaType.ociManifest } });
  }

  it("says what it is", async () => {
    const answer = await ask("GET", "/v2/");
    expect(answer.status).toBe(200);
    expect(answer.headers["docker-distribution-api-version"]).toBe("registry/2.0");
    expect((await ask("GET", "/")).status).toBe(404);
  });

  it("takes a blob in a POST and a PUT", async () => {
    const started = await ask("POST", "/v2/demo/a/blobs/uploads/");
    expect(started.status).toBe(202);
    const { location = "" } = started.headers;
    const done = await ask("PUT", `${location}?digest=${blob.digest}`, { body: image.module });
    expect(done.status).toBe(201);
    expect(done.headers).toMatchObject({
      location: `/v2/demo/a/blobs/${blob.digest}`,
      "docker-content-digest": blob.digest,
    });
    expect((await ask("PUT", `${location}?digest=${blob.digest}`)).status).toBe(404);
    const back = await ask("GET", `/v2/demo/a/blobs/${blob.digest}`);
    expect(back.status).toBe(200);
    expect(Buffer.compare(back.body, image.module)).toBe(0);
  });

  it("takes a blob in pieces, in order only", async () => {
    const { location = "" } = (await ask("POST", "/v2/demo/a/blobs/uploads/")).headers;
    const piece = (start: number, end: number): Promise<RawResponse> =>
      ask("PATCH", location, {
        body: image.module.subarray(start, end),
        headers: { "content-range": `${start}-${end - 1}` },
      });
    expect(await piece(0, 2000)).toMatchObject({ status: 202, headers: { range: "0-1999" } });
    expect(await piece(3000, 5000)).toMatchObject({ status: 416, headers: { range: "0-1999" } });
    expect(await ask("GET", location)).toMatchObject({ status: 204, headers: { range: "0-1999" } });
    expect(await piece(2000, 4000)).toMatchObject({ status: 202, headers: { range: "0-3999" } });
    const done = await ask("PUT", `${location}?digest=${blob.digest}`, { body: image.module.subarray(4000) });
    expect(done.status).toBe(201);
    expect(await store.verify(blob)).toBe(true);
  });

  it("stores nothing under a wrong digest, and forgets an upload that is given up", async () => {
    const wrong = digestOf("something else");
    const started = await ask("POST", "/v2/demo/a/blobs/uploads/");
    const answer = await ask("PUT", `${started.headers.location ?? ""}?digest=${wrong}`, { body: image.module });
    expect(answer).toMatchObject({ status: 400, text: expect.stringContaining("DIGEST_INVALID") });
    expect(await store.sizeOf(wrong)).toBeUndefined();
    const { location = "" } = (await ask("POST", "/v2/demo/a/blobs/uploads/")).headers;
    expect((await ask("DELETE", location)).status).toBe(204);
    expect((await ask("GET", location)).status).toBe(404);
  });

  it("takes sha512 digests", async () => {
    const { createHash } = await import("node:crypto");
    const digest = `sha512:${createHash("sha512").update(image.config).digest("hex")}`;
    expect((await ask("POST", `/v2/demo/a/blobs/uploads/?digest=${digest}`, { body: image.config })).status).toBe(201);
    expect((await ask("HEAD", `/v2/demo/a/blobs/${digest}`)).headers["content-length"]).toBe(
      String(image.config.byteLength),
    );
  });

  it("mounts what is there and starts an upload for what is not", async () => {
    await pushBlobs();
    const there = await ask("POST", `/v2/demo/b/blobs/uploads/?mount=${blob.digest}&from=demo/a`);
    expect(there).toMatchObject({ status: 201, headers: { location: `/v2/demo/b/blobs/${blob.digest}` } });
    const absent = await ask("POST", `/v2/demo/b/blobs/uploads/?mount=${digestOf("absent")}&from=demo/a`);
    expect(absent).toMatchObject({ status: 202, headers: { location: expect.stringContaining("/uploads/") } });
  });

  it.each([
    ["bytes=0-9", 206, 0, 10],
    ["bytes=4990-", 206, 4990, 5000],
    ["bytes=-5", 206, 4995, 5000],
    ["bytes=4990-9999", 206, 4990, 5000],
    ["items=0-1", 200, 0, 5000],
    ["bytes=0-1,4-5", 200, 0, 5000],
    ["bytes=5000-", 416, 0, 0],
  ])("serves %s of a blob", async (range, status, start, end) => {
    await pushBlobs();
    const answer = await ask("GET", `/v2/demo/a/blobs/${blob.digest}`, { headers: { range } });
    expect(answer.status).toBe(status);
    expect(Buffer.compare(answer.body, image.module.subarray(start, end))).toBe(0);
    const extent = { 200: undefined, 206: `bytes ${start}-${end - 1}/5000`, 416: "bytes */5000" }[status];
    expect(answer.headers["content-range"]).toBe(extent);
  });

  it("serves manifests byte for byte, by tag and by digest", async () => {
    await pushBlobs();
    const { digest } = image.manifestDescriptor;
    const stored = await pushManifest();
    expect(stored).toMatchObject({ status: 201, headers: { "docker-content-digest": digest } });
    for (const target of ["v1", digest]) {
      const answer = await ask("GET", `/v2/demo/a/manifests/${target}`);
      expect(answer).toMatchObject({
        status: 200,
        headers: { "content-type": MediaType.ociManifest, "docker-content-digest": digest },
      });
      expect(Buffer.compare(answer.body, image.manifest)).toBe(0);
      const head = await ask("HEAD", `/v2/demo/a/manifests/${target}`);
      expect(head).toMatchObject({ status: 200, headers: { "content-length": String(image.manifest.byteLength) } });
    }
    expect((await ask("GET", `/v2/demo/a/manifests/v1`, { headers: { "if-none-match": `"${digest}"` } })).status).toBe(
      304,
    );
    expect(await store.resolve("hub.test/demo/a:v1")).toMatchObject({ digest });
  });

  it.each([
    ["what it points to is missing", "v1", undefined, "MANIFEST_BLOB_UNKNOWN"],
    ["it is no JSON", "v1", "{", "MANIFEST_INVALID"],
    ["its digest is another", digestOf("x"), undefined, "DIGEST_INVALID"],
  ])("refuses a manifest when %s", async (_name, target, text, code) => {
    const answer = await pushManifest(target, text === undefined ? image.manifest : Buffer.from(text));
    expect(answer).toMatchObject({ status: 400, headers: { "content-type": "application/json" } });
    const { errors } = JSON.parse(answer.text) as { readonly errors: readonly { readonly code: string }[] };
    expect(new Set(errors.map((error) => error.code))).toEqual(new Set([code]));
  });

  it("refuses a manifest of more than 4 MiB", async () => {
    expect((await pushManifest("v1", Buffer.alloc(4 * 1024 * 1024 + 1, " "))).status).toBe(413);
  });

  it("keeps a manifest reachable by digest when its tag moves on", async () => {
    await pushBlobs();
    await pushManifest();
    const second = Buffer.from(`${Buffer.from(image.manifest).toString()}\n`);
    expect((await pushManifest("v1", second)).status).toBe(201);
    expect((await ask("GET", `/v2/demo/a/manifests/${image.manifestDescriptor.digest}`)).status).toBe(200);
    expect((await ask("GET", "/v2/demo/a/manifests/v1")).headers["docker-content-digest"]).toBe(digestOf(second));
    expect(JSON.parse((await ask("GET", "/v2/demo/a/tags/list")).text)).toEqual({ name: "demo/a", tags: ["v1"] });
  });

  it("deletes a tag alone, and a digest with all its tags", async () => {
    await pushBlobs();
    for (const tag of ["v1", "v2", "v3"]) await pushManifest(tag);
    expect((await ask("DELETE", "/v2/demo/a/manifests/v1")).status).toBe(202);
    expect((await ask("GET", "/v2/demo/a/manifests/v1")).status).toBe(404);
    expect((await ask("GET", "/v2/demo/a/manifests/v2")).status).toBe(200);
    expect((await ask("DELETE", `/v2/demo/a/manifests/${image.manifestDescriptor.digest}`)).status).toBe(202);
    expect((await ask("GET", `/v2/demo/a/manifests/${image.manifestDescriptor.digest}`)).status).toBe(404);
    expect((await ask("DELETE", "/v2/demo/a/manifests/v3")).status).toBe(404);
  });

  it("does not show a manifest of another repository", async () => {
    await pushBlobs();
    await pushManifest();
    expect((await ask("GET", `/v2/demo/other/manifests/${image.manifestDescriptor.digest}`)).status).toBe(404);
  });

  it("lists tags and repositories in pages", async () => {
    await pushBlobs();
    for (const tag of ["c", "a", "b", "d"]) await pushManifest(tag);
    const first = await ask("GET", "/v2/demo/a/tags/list?n=2");
    expect(JSON.parse(first.text)).toEqual({ name: "demo/a", tags: ["a", "b"] });
    expect(first.headers["link"]).toBe('</v2/demo/a/tags/list?n=2&last=b>; rel="next"');
    const second = await ask("GET", "/v2/demo/a/tags/list?n=2&last=b");
    expect(JSON.parse(second.text)).toEqual({ name: "demo/a", tags: ["c", "d"] });
    expect(second.headers["link"]).toBeUndefined();
    expect(JSON.parse((await ask("GET", "/v2/_catalog")).text)).toEqual({ repositories: ["demo/a"] });
    expect((await ask("GET", "/v2/demo/none/tags/list")).status).toBe(404);
    expect((await ask("GET", "/v2/demo/a/tags/list?n=x")).status).toBe(400);
  });

  it("lists referrers, by type if asked", async () => {
    await pushBlobs();
    await pushManifest();
    const { digest: subject } = image.manifestDescriptor;
    const referrer = {
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      artifactType: "application/x.sbom",
      config: image.configDescriptor,
      layers: [image.configDescriptor],
      subject: image.manifestDescriptor,
      annotations: { a: "b" },
    };
    const bytes = Buffer.from(JSON.stringify(referrer));
    const { digest } = describeBytes(MediaType.ociManifest, bytes);
    expect(await pushManifest(digest, bytes)).toMatchObject({ status: 201, headers: { "oci-subject": subject } });
    const all = await ask("GET", `/v2/demo/a/referrers/${subject}`);
    expect(all.headers["content-type"]).toBe(MediaType.ociIndex);
    expect(JSON.parse(all.text)).toMatchObject({
      manifests: [{ digest, artifactType: "application/x.sbom", annotations: { a: "b" } }],
    });
    const none = await ask("GET", `/v2/demo/a/referrers/${subject}?artifactType=application/x.other`);
    expect(none.headers["oci-filters-applied"]).toBe("artifactType");
    expect(JSON.parse(none.text)).toMatchObject({ manifests: [] });
  });

  it.each([
    ["GET", "/v2/demo/a/blobs/sha256:ABC", 400, "DIGEST_INVALID"],
    ["GET", "/v2/demo/a/blobs/md5:d41d8cd98f00b204e9800998ecf8427e", 400, "DIGEST_INVALID"],
    ["GET", `/v2/demo/a/blobs/${digestOf("absent")}`, 404, "BLOB_UNKNOWN"],
    ["GET", "/v2/demo/a/manifests/absent", 404, "MANIFEST_UNKNOWN"],
    ["GET", "/v2/Demo/a/manifests/v1", 404, "NAME_INVALID"],
    ["GET", "/v2/demo/../../etc/passwd", 404, "NAME_UNKNOWN"],
    ["PATCH", "/v2/demo/a/blobs/uploads/00000000-0000-0000-0000-000000000000", 404, "BLOB_UPLOAD_UNKNOWN"],
    ["POST", "/v2/demo/a/blobs/uploads/?digest=oops", 400, "DIGEST_INVALID"],
    ["PUT", `/v2/demo/a/blobs/${digestOf("x")}`, 405, "UNSUPPORTED"],
    ["DELETE", "/v2/_catalog", 405, "UNSUPPORTED"],
  ])("answers %s %s with %i %s", async (method, path, status, code) => {
    const answer = await ask(method, path);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toMatchObject({ errors: [{ code }] });
  });

  it("serves what another process stored under its name", async () => {
    await store.push(blob, bytesSource(image.module));
    await store.push(image.configDescriptor, bytesSource(image.config));
    await store.push(image.manifestDescriptor, bytesSource(image.manifest));
    await store.tag("hub.test/demo/local:v9", image.manifestDescriptor);
    expect((await ask("GET", "/v2/demo/local/manifests/v9")).status).toBe(200);
  });

  it("names a port that is taken", async () => {
    const port = Number(server.host.split(":")[1]);
    await expect(startRegistryServer({ store, port })).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
  });
});

describe("requestedRange", () => {
  it.each([
    [undefined, 10, undefined],
    ["bytes=2-4", 10, { start: 2, end: 4 }],
    ["bytes=-3", 10, { start: 7, end: 9 }],
    ["bytes=-30", 10, { start: 0, end: 9 }],
    ["bytes=-", 10, undefined],
    ["bytes=5-4", 10, "unsatisfiable"],
    ["bytes=0-", 0, "unsatisfiable"],
    ["bytes=-0", 10, "unsatisfiable"],
  ])("%j of %i bytes", (header, size, range) => {
    expect(requestedRange(header, size)).toEqual(range);
  });
});
