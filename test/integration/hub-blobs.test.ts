import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { codesOf, HUB_MODES, type ModeServer, type SpecClient, specClient, startMode } from "./hub-support.ts";
import {
  type Algorithm,
  digestWith,
  locationOf,
  startUpload,
  type Upload,
  uploadBy,
  UPLOADS,
  uploads,
} from "./hub-uploads-support.ts";

const REPOSITORY = "spec/one";
const OTHER = "spec/two";

/** Blobs after the distribution spec: "Pulling blobs", "Pushing blobs", "Mounting", "Deleting Blobs". */
describe.each(HUB_MODES)("blobs of a registry that is %s", (mode) => {
  let server: ModeServer;
  let client: SpecClient;

  beforeAll(async () => {
    server = await startMode(mode);
    client = specClient(server);
  });
  afterAll(async () => await server.close());

  const blob = (repository: string, digest: string): string => `/v2/${repository}/blobs/${digest}`;

  function fresh(algorithm: Algorithm, size = 3067): Upload {
    const bytes = randomBytes(size);
    return { repository: REPOSITORY, bytes, digest: digestWith(algorithm, bytes) };
  }

  async function push(upload: Upload): Promise<void> {
    const answer = await client.ask("POST", `${uploads(upload.repository)}?digest=${upload.digest}`, {
      body: upload.bytes,
    });
    expect(answer.status, answer.text).toBe(201);
  }

  async function expectThere({ repository, bytes, digest }: Upload): Promise<void> {
    const headers = { "content-length": String(bytes.byteLength), "docker-content-digest": digest };
    const head = await client.ask("HEAD", blob(repository, digest));
    expect(head).toMatchObject({ status: 200, headers });
    expect(head.body.byteLength).toBe(0);
    const got = await client.ask("GET", blob(repository, digest));
    expect(got).toMatchObject({ status: 200, headers });
    expect(Buffer.compare(got.body, bytes)).toBe(0);
  }

  async function expectAbsent(repository: string, digest: string): Promise<void> {
    expect((await client.ask("HEAD", blob(repository, digest))).status).toBe(404);
    const answer = await client.ask("GET", blob(repository, digest));
    expect(answer.status).toBe(404);
    expect(codesOf(answer)).toEqual(["BLOB_UNKNOWN"]);
  }

  async function remove(repository: string, digest: string): Promise<void> {
    expect((await client.ask("DELETE", blob(repository, digest))).status).toBe(202);
    await expectAbsent(repository, digest);
  }

  describe.each<Algorithm>(["sha256", "sha512"])("with %s digests", (algorithm) => {
    it.each(Object.keys(UPLOADS))("are uploaded by %s, pulled and deleted", async (way) => {
      const upload = fresh(algorithm);
      await expectAbsent(REPOSITORY, upload.digest);
      const done = await uploadBy(way, client, upload);
      expect(done).toMatchObject({ status: 201, headers: { "docker-content-digest": upload.digest } });
      const located = await client.ask("GET", done.headers.location ?? "");
      expect(Buffer.compare(located.body, upload.bytes)).toBe(0);
      await expectThere(upload);
      await remove(REPOSITORY, upload.digest);
    });

    it.each(Object.keys(UPLOADS))("are refused by %s when the digest is another", async (way) => {
      const upload = fresh(algorithm);
      const altered = { ...upload, bytes: Buffer.concat([upload.bytes, Buffer.from("oh no")]) };
      const done = await uploadBy(way, client, altered);
      expect(done.status).toBe(400);
      expect(codesOf(done)).toEqual(["DIGEST_INVALID"]);
      await expectAbsent(REPOSITORY, upload.digest);
    });

    it.each(["", "{}"])("may be %j", async (content) => {
      const bytes = Buffer.from(content);
      const upload = { repository: REPOSITORY, bytes, digest: digestWith(algorithm, bytes) };
      for (const way of ["a single POST", "POST and PUT", "a stream", "chunks"]) {
        expect((await uploadBy(way, client, upload)).status, way).toBe(201);
        await expectThere(upload);
        await remove(REPOSITORY, upload.digest);
      }
    });

    it.each([`&from=${OTHER}`, ""])("are mounted with ?mount=%s, and stay where they were", async (from) => {
      const upload = { ...fresh(algorithm), repository: OTHER };
      await push(upload);
      await expectAbsent(REPOSITORY, upload.digest);
      const mounted = await client.ask("POST", `${uploads(REPOSITORY)}?mount=${upload.digest}${from}`);
      expect(mounted).toMatchObject({ status: 201, headers: { location: blob(REPOSITORY, upload.digest) } });
      await expectThere({ ...upload, repository: REPOSITORY });
      await remove(REPOSITORY, upload.digest);
      await expectThere(upload);
      await remove(OTHER, upload.digest);
    });

    it.each([`&from=${OTHER}`, ""])("are uploaded when they cannot be mounted with ?mount=%s", async (from) => {
      const { bytes, digest } = fresh(algorithm);
      const answer = await client.ask("POST", `${uploads(REPOSITORY)}?mount=${digest}${from}`);
      expect(answer.status).toBe(202);
      expect(locationOf(answer)).toContain(uploads(REPOSITORY));
      const done = await client.ask("PUT", `${locationOf(answer)}?digest=${digest}`, { body: bytes });
      expect(done.status).toBe(201);
      await expectThere({ repository: REPOSITORY, bytes, digest });
    });

    it.each([
      ["bytes=500-1499", 206, 500, 1500],
      ["bytes=500-", 206, 500, 2048],
      ["bytes=-500", 206, 1548, 2048],
      ["bytes=2000-5000", 206, 2000, 2048],
      ["bytes=500-0", 416, 0, 0],
      ["bytes=5000-10000", 416, 0, 0],
    ])("are pulled in part with %s", async (range, status, from, to) => {
      const upload = fresh(algorithm, 2048);
      await push(upload);
      const answer = await client.ask("GET", blob(REPOSITORY, upload.digest), { headers: { range } });
      expect(answer.status).toBe(status);
      expect(Buffer.compare(answer.body, upload.bytes.subarray(from, to))).toBe(0);
      const extent = status === 206 ? `bytes ${from}-${to - 1}/2048` : "bytes */2048";
      expect(answer.headers).toMatchObject({ "content-range": extent, "content-length": String(to - from) });
    });
  });

  it("are not mounted from a repository that does not have them, though another has", async () => {
    const upload = { ...fresh("sha256"), repository: OTHER };
    await push(upload);
    const answer = await client.ask("POST", `${uploads(REPOSITORY)}?mount=${upload.digest}&from=spec/three`);
    expect(answer.status).toBe(202);
    await expectAbsent(REPOSITORY, upload.digest);
  });

  it("are not taken twice from one chunk: the repeated one is refused, and the upload goes on", async () => {
    const { bytes, digest } = fresh("sha256", 42);
    const first = await startUpload(client, REPOSITORY);
    const piece = async (location: string, from: number, to: number): ReturnType<SpecClient["ask"]> =>
      await client.ask("PATCH", location, {
        body: bytes.subarray(from, to),
        headers: { "content-range": `${from}-${to - 1}` },
      });
    expect(await piece(first, 0, 3)).toMatchObject({ status: 202, headers: { range: "0-2" } });
    const again = await piece(first, 0, 3);
    expect(again).toMatchObject({ status: 416, headers: { range: "0-2", location: expect.any(String) } });
    expect(codesOf(again)).toEqual(["BLOB_UPLOAD_INVALID"]);
    const shown = await client.ask("GET", first);
    expect(shown).toMatchObject({ status: 204, headers: { range: "0-2" } });
    const second = await piece(locationOf(shown), 3, 42);
    expect(second.status).toBe(202);
    expect((await client.ask("PUT", `${locationOf(second)}?digest=${digest}`)).status).toBe(201);
  });

  it("are not there after their upload was cancelled", async () => {
    const location = await startUpload(client, REPOSITORY);
    const { bytes, digest } = fresh("sha256");
    expect((await client.ask("PATCH", location, { body: bytes })).status).toBe(202);
    expect((await client.ask("DELETE", location)).status).toBe(204);
    for (const method of ["GET", "PATCH", "DELETE"]) {
      const answer = await client.ask(method, location);
      expect(answer.status, method).toBe(404);
      expect(codesOf(answer)).toEqual(["BLOB_UPLOAD_UNKNOWN"]);
    }
    expect((await client.ask("PUT", `${location}?digest=${digest}`)).status).toBe(404);
    await expectAbsent(REPOSITORY, digest);
  });

  it("announce another hash with ?digest-algorithm=, and none that nobody knows", async () => {
    const { bytes, digest } = fresh("sha512");
    const begun = await client.ask("POST", `${uploads(REPOSITORY)}?digest-algorithm=sha512`);
    const sent = await client.ask("PATCH", locationOf(begun), { body: bytes });
    expect((await client.ask("PUT", `${locationOf(sent)}?digest=${digest}`)).status).toBe(201);
    // Not even a copy under the usual hash was made.
    expect(await server.hub.store.sizeOf(digestWith("sha256", bytes) as never)).toBeUndefined();
    const unknown = await client.ask("POST", `${uploads(REPOSITORY)}?digest-algorithm=md5`);
    expect(unknown.status).toBe(400);
    expect(codesOf(unknown)).toEqual(["DIGEST_INVALID"]);
  });

  it.each([
    ["POST", "?digest=oops", "DIGEST_INVALID"],
    ["POST", "?mount=oops&from=spec/two", "DIGEST_INVALID"],
    ["PUT", "", "DIGEST_INVALID"],
    ["PUT", "?digest=sha256:ABC", "DIGEST_INVALID"],
  ])("refuse %s uploads%s with 400 %s", async (method, query, code) => {
    const location = method === "POST" ? uploads(REPOSITORY) : await startUpload(client, REPOSITORY);
    const answer = await client.ask(method, `${location}${query}`);
    expect(answer.status).toBe(400);
    expect(codesOf(answer)).toEqual([code]);
  });

  it.each([
    ["bytes 5-", 400, "BLOB_UPLOAD_INVALID"],
    ["0-99", 400, "SIZE_INVALID"],
    ["7-16", 416, "BLOB_UPLOAD_INVALID"],
  ])("refuse the content-range %j for ten bytes with %i %s", async (range, status, code) => {
    const location = await startUpload(client, REPOSITORY);
    const answer = await client.ask("PATCH", location, { body: "0123456789", headers: { "content-range": range } });
    expect(answer.status).toBe(status);
    expect(codesOf(answer)).toEqual([code]);
    expect((await client.ask("GET", location)).headers).toMatchObject({ range: "0-0" });
  });
});
