import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/domain/digest.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import type { RawResponse } from "../components/raw-http.ts";
import { storeTestImage, testImage } from "../support/fault-image.ts";
import { codesOf, type ModeServer, type SpecClient, specClient, startMode } from "./hub-support.ts";
import { locationOf, startUpload, uploads } from "./hub-uploads-support.ts";

const image = testImage(2000);
const { moduleDescriptor: blob, manifestDescriptor: manifest } = image;
const JSON_TYPE = { "content-type": MediaType.ociManifest };

/** One case for each endpoint and error code of the distribution spec that content alone does not reach. */
describe("the endpoints of the registry server", () => {
  let server: ModeServer;
  let client: SpecClient;

  beforeAll(async () => {
    server = await startMode("open");
    client = specClient(server);
    const repositories = ["demo/a", "demo/b", "demo/c"];
    for (const name of repositories) await storeTestImage(server.hub.store, image, `${server.hub.name}/${name}:v1`);
    for (const tag of ["b", "A", "c", "B", "a", "_x", "1.0", "1.0.1", "v2"]) {
      await storeTestImage(server.hub.store, image, `${server.hub.name}/demo/tags:${tag}`);
    }
  });
  afterAll(async () => await server.close());

  const get = async (path: string, headers: Readonly<Record<string, string>> = {}): Promise<RawResponse> =>
    await client.ask("GET", path, { headers });

  describe("end-1, the base", () => {
    it.each(["GET", "HEAD"])("answers %s", async (method) => {
      for (const path of ["/v2/", "/v2"]) {
        const answer = await client.ask(method, path);
        expect(answer.status).toBe(200);
        expect(answer.headers["docker-distribution-api-version"]).toBe("registry/2.0");
      }
    });
  });

  describe("end-2 and end-3, pulling", () => {
    it("sends nothing again that the client has", async () => {
      for (const [path, digest] of [
        [`/v2/demo/a/blobs/${blob.digest}`, blob.digest],
        ["/v2/demo/a/manifests/v1", manifest.digest],
      ] as const) {
        const { etag = "" } = (await get(path)).headers;
        for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, digest]) {
          const answer = await get(path, { "if-none-match": tag });
          expect(answer).toMatchObject({ status: 304, headers: { etag, "docker-content-digest": digest } });
          expect(answer.body.byteLength).toBe(0);
        }
        expect((await get(path, { "if-none-match": '"other"' })).status).toBe(200);
      }
    });

    it("takes a digest whose colon is written as %3A", async () => {
      expect((await get(`/v2/demo/a/manifests/${manifest.digest.replace(":", "%3A")}`)).status).toBe(200);
      expect((await get(`/v2/demo/a/blobs/${blob.digest.replace(":", "%3A")}`)).status).toBe(200);
    });
  });

  describe("end-8, tags", () => {
    const all = ["_x", "1.0", "1.0.1", "A", "a", "B", "b", "c", "v2"].toSorted((a, b) => {
      const [x, y] = [a.toLowerCase(), b.toLowerCase()];
      return x === y ? (a < b ? -1 : 1) : x < y ? -1 : 1;
    });
    const list = async (query: string): Promise<RawResponse> => await get(`/v2/demo/tags/tags/list${query}`);
    const tagsOf = ({ text }: RawResponse): unknown => JSON.parse(text);

    it("come without regard to letter case", async () => {
      expect(tagsOf(await list(""))).toEqual({ name: "demo/tags", tags: all });
      expect(all.indexOf("a")).toBeLessThan(all.indexOf("B"));
    });

    it.each([1, 2, 4, 8, 9, 100])("come in pages of %i that leave none out", async (size) => {
      const found: string[] = [];
      let next: string | undefined = `/v2/demo/tags/tags/list?n=${size}`;
      for (let pages = 0; next !== undefined; pages += 1) {
        expect(pages).toBeLessThan(10);
        const answer: RawResponse = await get(next);
        const { tags } = JSON.parse(answer.text) as { readonly tags: readonly string[] };
        expect(tags.length).toBe(Math.min(size, all.length - found.length));
        found.push(...tags);
        next = /^<([^>]+)>; rel="next"$/u.exec(String(answer.headers["link"] ?? ""))?.[1];
      }
      expect(found).toEqual(all);
    });

    it("are none for n=0, without a link", async () => {
      const answer = await list("?n=0");
      expect(tagsOf(answer)).toEqual({ name: "demo/tags", tags: [] });
      expect(answer.headers["link"]).toBeUndefined();
    });

    it("begin after one that is not there, too", async () => {
      expect(tagsOf(await list("?last=azz"))).toEqual({ name: "demo/tags", tags: all.slice(all.indexOf("B")) });
    });

    it("are asked for with a number", async () => {
      for (const n of ["x", "-1", "1.5", ""]) {
        const answer = await list(`?n=${n}`);
        expect(answer.status, n).toBe(400);
        expect(codesOf(answer)).toEqual(["PAGINATION_NUMBER_INVALID"]);
      }
    });

    it("belong to a repository", async () => {
      const answer = await get("/v2/demo/none/tags/list");
      expect(answer.status).toBe(404);
      expect(codesOf(answer)).toEqual(["NAME_UNKNOWN"]);
    });
  });

  it("lists repositories in pages", async () => {
    const first = await get("/v2/_catalog?n=3");
    expect(JSON.parse(first.text)).toEqual({ repositories: ["demo/a", "demo/b", "demo/c"] });
    expect(first.headers["link"]).toBe('</v2/_catalog?n=3&last=demo%2Fc>; rel="next"');
    expect(JSON.parse((await get("/v2/_catalog?n=3&last=demo%2Fc")).text)).toEqual({ repositories: ["demo/tags"] });
  });

  it("pages referrers that do not fit in a manifest, and keeps the filter", async () => {
    const big = "x".repeat(900_000);
    const subject = manifest;
    const config = image.configDescriptor;
    for (let at = 0; at < 6; at += 1) {
      const artifactType = at === 5 ? "application/x.other" : "application/x.big";
      const body = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: MediaType.ociManifest,
          artifactType,
          config,
          layers: [],
          subject,
          annotations: { big, at: String(at) },
        }),
      );
      const target = `/v2/demo/a/manifests/${digestOf(body)}`;
      expect((await client.ask("PUT", target, { body, headers: JSON_TYPE })).status).toBe(201);
    }
    const found: string[] = [];
    let next: string | undefined = `/v2/demo/a/referrers/${subject.digest}?artifactType=application/x.big`;
    let pages = 0;
    for (; next !== undefined; pages += 1) {
      const answer: RawResponse = await get(next);
      expect(answer.body.byteLength).toBeLessThan(4_000_000);
      expect(answer.headers["oci-filters-applied"]).toBe("artifactType");
      const { manifests } = JSON.parse(answer.text) as {
        readonly manifests: readonly { annotations: { at: string } }[];
      };
      found.push(...manifests.map(({ annotations }) => annotations.at));
      next = /^<([^>]+)>/u.exec(String(answer.headers["link"] ?? ""))?.[1];
    }
    expect(pages).toBe(2);
    expect(found.toSorted()).toEqual(["0", "1", "2", "3", "4"]);
  });

  it.each([
    ["GET", `/v2/demo/a/blobs/${digestOf("absent")}`, 404, "BLOB_UNKNOWN"],
    ["GET", `/v2/demo/none/blobs/${blob.digest}`, 404, "BLOB_UNKNOWN"],
    ["DELETE", `/v2/demo/a/blobs/${digestOf("absent")}`, 404, "BLOB_UNKNOWN"],
    ["GET", "/v2/demo/a/blobs/sha256:ABC", 400, "DIGEST_INVALID"],
    ["GET", "/v2/demo/a/blobs/v1", 400, "DIGEST_INVALID"],
    ["GET", "/v2/demo/a/manifests/sha256:totallywrong", 400, "DIGEST_INVALID"],
    ["PUT", "/v2/demo/a/manifests/sha256:baddigeststring", 400, "DIGEST_INVALID"],
    ["DELETE", "/v2/demo/a/manifests/sha256:totallywrong", 400, "DIGEST_INVALID"],
    ["GET", "/v2/demo/a/referrers/oops", 400, "DIGEST_INVALID"],
    ["GET", "/v2/demo/a/manifests/absent", 404, "MANIFEST_UNKNOWN"],
    ["GET", "/v2/demo/a/manifests/.INVALID_MANIFEST_NAME", 404, "MANIFEST_UNKNOWN"],
    ["GET", `/v2/demo/none/manifests/${manifest.digest}`, 404, "MANIFEST_UNKNOWN"],
    ["DELETE", "/v2/demo/a/manifests/absent", 404, "MANIFEST_UNKNOWN"],
    ["DELETE", `/v2/demo/none/manifests/${manifest.digest}`, 404, "MANIFEST_UNKNOWN"],
    ["PUT", "/v2/demo/a/manifests/.hidden", 400, "MANIFEST_INVALID"],
    ["PUT", `/v2/demo/a/manifests/${"x".repeat(129)}`, 400, "MANIFEST_INVALID"],
    ["GET", "/v2/demo/a/blobs/uploads/00000000-0000-0000-0000-000000000000", 404, "BLOB_UPLOAD_UNKNOWN"],
    ["PATCH", "/v2/demo/a/blobs/uploads/nonsense", 404, "BLOB_UPLOAD_UNKNOWN"],
    ["GET", "/v2/Demo/a/manifests/v1", 404, "NAME_INVALID"],
    ["GET", "/v2/demo//a/tags/list", 404, "NAME_INVALID"],
    ["GET", "/v3/", 404, "NAME_UNKNOWN"],
    ["POST", "/v2/", 405, "UNSUPPORTED"],
    ["PUT", `/v2/demo/a/blobs/${digestOf("x")}`, 405, "UNSUPPORTED"],
    ["POST", "/v2/demo/a/tags/list", 405, "UNSUPPORTED"],
    ["DELETE", `/v2/demo/a/referrers/${manifest.digest}`, 405, "UNSUPPORTED"],
    ["GET", "/v2/demo/a/blobs/uploads/", 405, "UNSUPPORTED"],
  ])("answers %s %s with %i %s", async (method, path, status, code) => {
    const answer = await client.ask(method, path, method === "PUT" ? { body: image.manifest, headers: JSON_TYPE } : {});
    expect(answer.status).toBe(status);
    expect(codesOf(answer)).toEqual([code]);
    expect(answer.headers.allow !== undefined).toBe(status === 405);
  });

  describe("end-7, manifests that are refused", () => {
    const put = async (body: string | Uint8Array, headers: Record<string, string> = JSON_TYPE): Promise<RawResponse> =>
      await client.ask("PUT", "/v2/demo/a/manifests/bad", { body, headers });
    const text = Buffer.from(image.manifest).toString();

    it.each([
      ["no JSON", "{", JSON_TYPE],
      ["no manifest", "[]", JSON_TYPE],
      ["Docker's schema 1", '{"schemaVersion":1}', { "content-type": MediaType.dockerManifestV1 }],
      ["another type inside", text, { "content-type": MediaType.ociIndex }],
      ["a type that is none", text, { "content-type": "text/plain" }],
      ["an unknown kind", text.replaceAll(MediaType.ociManifest, "application/x.unknown"), {}],
      ["a digest that is none", text.replaceAll(blob.digest, "sha256:abc"), JSON_TYPE],
    ])("%s", async (_what, body, headers) => {
      const answer = await put(body, headers);
      expect(answer.status).toBe(400);
      expect(codesOf(answer)).toEqual(["MANIFEST_INVALID"]);
      expect((await get("/v2/demo/a/manifests/bad")).status).toBe(404);
    });

    it("blobs that are missing or have another size, all of them named", async () => {
      const absent = digestOf("absent");
      const sized = text
        .replace(`"size":${blob.size}`, `"size":${blob.size + 1}`)
        .replaceAll(image.configDescriptor.digest, absent);
      const answer = await put(sized);
      expect(answer.status).toBe(400);
      expect(codesOf(answer)).toEqual(["MANIFEST_BLOB_UNKNOWN"]);
      const { errors } = JSON.parse(answer.text) as { readonly errors: readonly { readonly detail: object }[] };
      expect(errors.map(({ detail }) => detail)).toEqual([{ digest: absent }, { digest: blob.digest }]);
    });

    it("more than 4 MiB, however it is sent, and the connection goes on", async () => {
      for (const size of [4 * 1024 * 1024 + 1, 20 * 1024 * 1024]) {
        const answer = await put(Buffer.alloc(size, " "));
        expect(answer.status).toBe(413);
        expect(codesOf(answer)).toEqual(["MANIFEST_INVALID"]);
      }
    });

    it("a type with parameters is taken for what it is", async () => {
      const headers = { "content-type": `${MediaType.ociManifest}; charset=utf-8` };
      expect((await client.ask("PUT", "/v2/demo/a/manifests/v1", { body: text, headers })).status).toBe(201);
      expect((await get("/v2/demo/a/manifests/v1")).headers["content-type"]).toBe(MediaType.ociManifest);
    });
  });

  it("takes no more than 500 uploads at a time", async () => {
    const location = await startUpload(client, "demo/many");
    let opened = 1;
    let last: RawResponse;
    do {
      last = await client.ask("POST", uploads("demo/many"));
      opened += 1;
    } while (last.status === 202 && opened < 600);
    expect(opened).toBe(501);
    expect(last).toMatchObject({ status: 429, headers: { "retry-after": "5" } });
    expect(codesOf(last)).toEqual(["TOOMANYREQUESTS"]);
    expect((await client.ask("DELETE", location)).status).toBe(204);
    expect(locationOf(await client.ask("POST", uploads("demo/many")))).not.toBe("");
  });

  it("says nothing about the inside when the store is broken, but to its owner", async () => {
    const faults: unknown[] = [];
    const broken = await startMode("open", { onFault: (error) => faults.push(error) });
    try {
      await storeTestImage(broken.hub.store, image, `${broken.hub.name}/demo/a:v1`);
      writeFileSync(join(broken.hub.store.dir, "index.json"), "oops");
      const answer = await specClient(broken).ask("GET", "/v2/_catalog");
      expect(answer.status).toBe(500);
      expect(codesOf(answer)).toEqual(["UNKNOWN"]);
      expect(answer.text).not.toContain("index.json");
      expect(faults).toMatchObject([{ code: "STORE_DAMAGED" }]);
    } finally {
      await broken.close();
    }
  });
});
