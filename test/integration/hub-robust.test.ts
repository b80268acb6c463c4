import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { appendFileSync, chmodSync, readdirSync } from "node:fs";
import { type ClientRequest, request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/domain/digest.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import type { AccessRecord } from "../../src/hub/access-record.ts";
import { startRegistryServer } from "../../src/hub/registry-server.ts";
import { UploadSessions } from "../../src/hub/upload-sessions.ts";
import { openStore } from "../../src/store/image-store.ts";
import { blobPath, layoutPaths } from "../../src/store/layout.ts";
import { rawRequest, type RawResponse } from "../components/raw-http.ts";
import { storeTestImage, testImage } from "../support/fault-image.ts";
import { type HubServer, startHub } from "../support/hub.ts";
import { tempDir } from "../support/temp-dir.ts";
import { codesOf, writeUsers } from "./hub-support.ts";

const image = testImage(3_000_000, "robust");
const { moduleDescriptor: module } = image;

/** Clients that break off, come twice, are slow, or send what is no request. */
describe("the registry server with difficult clients", () => {
  let hub: HubServer;
  const records: AccessRecord[] = [];
  const faults: unknown[] = [];

  beforeAll(async () => {
    hub = await startHub({ onRequest: (record) => records.push(record), onFault: (error) => faults.push(error) });
    await storeTestImage(hub.store, image, `${hub.name}/demo/a:v1`);
  });
  afterAll(async () => await hub.close());

  const ask = (
    method: string,
    path: string,
    more: { readonly body?: Uint8Array; readonly headers?: Record<string, string> } = {},
  ): Promise<RawResponse> => rawRequest({ url: new URL(path, hub.url).href, method, ...more });
  const startUpload = async (): Promise<string> =>
    (await ask("POST", "/v2/demo/a/blobs/uploads/")).headers.location ?? "";
  const drafts = (): number => readdirSync(join(hub.store.dir, "ingest")).length;

  /** Sends a part of a body and breaks off, once the server has got it. */
  async function breakOff(method: string, path: string, body: Uint8Array, length: number): Promise<void> {
    const sent = open(method, path, { "content-length": String(length) });
    sent.on("error", () => undefined).write(body);
    await until(
      async () => (await ask("GET", path.split("?", 1)[0] ?? "")).headers["range"] === `0-${body.byteLength - 1}`,
    );
    sent.destroy();
  }

  function open(method: string, path: string, headers: Record<string, string> = {}): ClientRequest {
    return request(new URL(path, hub.url), { method, headers });
  }

  it.each(["PATCH", "PUT"])("keeps what arrived when a %s breaks off, and goes on from there", async (method) => {
    const bytes = randomBytes(200_000);
    const digest = digestOf(bytes);
    const location = await startUpload();
    const path = method === "PUT" ? `${location}?digest=${digest}` : location;
    await breakOff(method, path, bytes.subarray(0, 90_000), bytes.byteLength);
    await until(async () => records.some(({ broken, path: at }) => broken && at === location));
    const shown = await ask("GET", location);
    expect(shown).toMatchObject({ status: 204, headers: { range: "0-89999" } });
    const headers = { "content-range": "90000-199999" };
    const done = await ask("PUT", `${location}?digest=${digest}`, { body: bytes.subarray(90_000), headers });
    expect(done.status, done.text).toBe(201);
    expect(Buffer.compare((await ask("GET", `/v2/demo/a/blobs/${digest}`)).body, bytes)).toBe(0);
    expect(drafts()).toBe(0);
  });

  it("drops a single POST that breaks off: nobody knows its session", async () => {
    const bytes = randomBytes(100_000);
    const path = `/v2/demo/a/blobs/uploads/?digest=${digestOf(bytes)}`;
    const sent = open("POST", path, { "content-length": String(bytes.byteLength) });
    sent.on("error", () => undefined).write(bytes.subarray(0, 50_000));
    await until(async () => drafts() === 1);
    sent.destroy();
    await until(async () => drafts() === 0);
    expect(await hub.store.sizeOf(digestOf(bytes))).toBeUndefined();
  });

  it("lets one of two requests that end the same upload win, and tells the other", async () => {
    for (let round = 0; round < 20; round += 1) {
      const bytes = randomBytes(300_000);
      const digest = digestOf(bytes);
      const location = await startUpload();
      const answers = await Promise.all(
        [1, 2, 3].map(() => ask("PUT", `${location}?digest=${digest}`, { body: bytes })),
      );
      expect(answers.filter((answer) => answer.status === 201)).toHaveLength(1);
      for (const lost of answers.filter((answer) => answer.status !== 201)) {
        expect([404, 409]).toContain(lost.status);
        expect(["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"]).toContain(codesOf(lost)[0]);
      }
      expect(Buffer.compare((await ask("GET", `/v2/demo/a/blobs/${digest}`)).body, bytes)).toBe(0);
    }
    expect(drafts()).toBe(0);
  });

  /** An upload that a request is writing to. */
  async function busyUpload(): Promise<{
    readonly location: string;
    readonly first: ClientRequest;
    readonly answered: Promise<{ readonly statusCode?: number }>;
  }> {
    const location = await startUpload();
    const first = open("PATCH", location, { "content-length": "8" });
    const answered = once(first, "response").then(([response]) => response as { readonly statusCode?: number });
    first.write("1234");
    await until(async () => (await ask("GET", location)).headers["range"] === "0-3");
    return { location, first, answered };
  }

  it("says 409 to a second writer while the first one is at it", async () => {
    const { location, first, answered } = await busyUpload();
    for (const method of ["PATCH", "PUT"]) {
      const answer = await ask(method, `${location}?digest=${digestOf("x")}`, { body: Buffer.from("x") });
      expect(answer.status).toBe(409);
      expect(codesOf(answer)).toEqual(["BLOB_UPLOAD_INVALID"]);
    }
    first.end("5678");
    expect((await answered).statusCode).toBe(202);
    expect((await ask("GET", location)).headers["range"]).toBe("0-7");
    expect((await ask("DELETE", location)).status).toBe(204);
  });

  it("cancels an upload though a request is writing to it", async () => {
    const { location, first, answered } = await busyUpload();
    expect((await ask("DELETE", location)).status).toBe(204);
    expect((await ask("GET", location)).status).toBe(404);
    first.end("5678");
    expect((await answered).statusCode).toBe(404);
    await until(async () => drafts() === 0);
  });

  it("takes the same blob from many at once", async () => {
    const bytes = randomBytes(400_000);
    const digest = digestOf(bytes);
    const path = `/v2/demo/a/blobs/uploads/?digest=${digest}`;
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask("POST", path, { body: bytes })));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
    expect(await hub.store.verify({ mediaType: "", digest, size: bytes.byteLength })).toBe(true);
  });

  it("keeps every tag when many are pushed at once", async () => {
    const tags = Array.from({ length: 24 }, (_, at) => `t${at}`);
    const headers = { "content-type": MediaType.ociManifest };
    const answers = await Promise.all(
      tags.map((tag) => ask("PUT", `/v2/demo/a/manifests/${tag}`, { body: image.manifest, headers })),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    const { tags: listed } = JSON.parse((await ask("GET", "/v2/demo/a/tags/list")).text) as { readonly tags: string[] };
    expect(listed).toEqual(expect.arrayContaining(tags));
  });

  it("does not mind a client that leaves in the middle of a download", async () => {
    const before = faults.length;
    const path = `/v2/demo/a/blobs/${module.digest}`;
    const wanted = open("GET", path);
    wanted.end();
    const [response] = (await once(wanted, "response")) as [NodeJS.ReadableStream & { destroy(): void }];
    await once(response, "data");
    response.destroy();
    await until(async () => records.some((record) => record.broken && record.path === path));
    expect(faults.length).toBe(before);
    expect((await ask("GET", path)).status).toBe(200);
  });

  it("cuts a download whose content was altered on disk, and tells its owner", async () => {
    const stored = testImage(2_000_000, "altered");
    await storeTestImage(hub.store, stored, `${hub.name}/demo/altered:v1`);
    const path = blobPath(layoutPaths(hub.store.dir), stored.moduleDescriptor.digest);
    chmodSync(path, 0o644);
    appendFileSync(path, "more");
    const answer = ask("GET", `/v2/demo/altered/blobs/${stored.moduleDescriptor.digest}`).then(({ status }) => status);
    await expect(answer).rejects.toThrow(/aborted|hang up/u);
    expect(faults.at(-1)).toMatchObject({
      code: expect.stringMatching(/^(?:BLOB_DAMAGED|SIZE_MISMATCH|DIGEST_MISMATCH)$/u),
    });
  });

  it("asks for a body only once it is known to be wanted (Expect: 100-continue)", async () => {
    const { port } = new URL(hub.url);
    const talk = async (path: string): Promise<string> => {
      const socket = connect(Number(port), "127.0.0.1");
      socket.write(
        `PUT ${path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\nconnection: close\r\n\r\n`,
      );
      let text = "";
      for await (const chunk of socket) {
        text += String(chunk);
        if (text === "HTTP/1.1 100 Continue\r\n\r\n") socket.write("abc");
      }
      return text;
    };
    const location = await startUpload();
    const taken = await talk(`${location}?digest=${digestOf("abc")}`);
    expect(taken).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /u);
    const users = await startHub((dir) => ({ auth: { mode: "basic", htpasswd: writeUsers(dir) } }));
    try {
      const asked = request(new URL("/v2/a/manifests/v1", users.url), {
        method: "PUT",
        headers: { expect: "100-continue", "content-length": "3" },
      });
      let continued = false;
      asked.on("error", () => undefined).on("continue", () => (continued = true));
      asked.flushHeaders();
      const [response] = (await once(asked, "response")) as [{ readonly statusCode: number }];
      expect({ status: response.statusCode, continued }).toEqual({ status: 401, continued: false });
      asked.destroy();
    } finally {
      await users.close();
    }
  });

  it("answers what is no request, and headers that are too long", async () => {
    const { port } = new URL(hub.url);
    const talk = async (text: string): Promise<string> => {
      const socket = connect(Number(port), "127.0.0.1");
      socket.end(text);
      let answer = "";
      for await (const chunk of socket) answer += String(chunk);
      return answer;
    };
    expect(await talk("nonsense\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /u);
    expect(await talk(`GET /v2/ HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(40_000)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /u);
    expect(await talk("GET //[ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /u);
    // What could repaint the terminal that the log goes to is refused by the HTTP parser.
    expect(await talk("GET /v2/\u009b31m/tags/list HTTP/1.1\r\nhost: x\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /u);
    expect((await ask("GET", "/v2/")).status).toBe(200);
  });

  it("answers whatever is asked in the words of the spec, and never with a failure of its own", async () => {
    const before = faults.length;
    const segment = fc.oneof(
      fc.constantFrom("v2", "blobs", "manifests", "uploads", "tags", "list", "referrers", "_catalog", "demo", "a", ""),
      fc.constantFrom("..", "%2e%2e", "%00", "%", "%zz", "A", "a_", "sha256:", module.digest, `${module.digest}0`),
      fc.webSegment({ size: "small" }),
    );
    const path = fc.array(segment, { maxLength: 7 }).map((parts) => `/v2/${parts.join("/")}`);
    const query = fc.constantFrom(
      "",
      "?n=1",
      "?n=-1",
      "?digest=x",
      "?mount=x",
      "?last=%00",
      "?digest-algorithm=x",
      "?%",
    );
    const method = fc.constantFrom("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS");
    const header = fc.constantFrom(
      {},
      { range: "bytes=9-1" },
      { "content-range": "x" },
      { authorization: "Basic x" },
      { "content-type": "a/b" },
    );
    await fc.assert(
      fc.asyncProperty(method, path, query, header, async (verb, at, end, headers) => {
        const answer = await rawRequest({ url: `${hub.url}${at}${end}`, method: verb, headers });
        expect(answer.status).toBeLessThan(500);
        expect(answer.status < 400 || answer.text === "" ? ["none"] : codesOf(answer)).toHaveLength(1);
      }),
      { numRuns: 400 },
    );
    expect(faults.length).toBe(before);
    expect((await ask("GET", "/v2/demo/a/manifests/v1")).status).toBe(200);
  });

  it("tells of each request who asked for what, how it ended, and nothing secret", async () => {
    records.length = 0;
    const users = await startHub((dir) => ({
      auth: { mode: "basic", htpasswd: writeUsers(dir) },
      onRequest: (record) => records.push(record),
    }));
    try {
      const authorization = `Basic ${Buffer.from("alice:s3cret").toString("base64")}`;
      await rawRequest({ url: `${users.url}/v2/a/tags/list?n=1&x=s3cret`, headers: { authorization } });
      await until(async () => records.length === 1);
      const [record] = records;
      expect(record).toMatchObject({
        method: "GET",
        path: "/v2/a/tags/list",
        status: 404,
        user: "alice",
        broken: false,
      });
      expect(record?.remote).toContain("127.0.0.1");
      expect(JSON.stringify(record)).not.toMatch(/s3cret|Basic/u);
    } finally {
      await users.close();
    }
  });

  it("ends uploads with the server, and leaves nothing of them behind", async () => {
    const dir = tempDir();
    const server = await startRegistryServer({ store: openStore(dir) });
    const { location = "" } = (await rawRequest({ url: `${server.url}/v2/a/blobs/uploads/`, method: "POST" })).headers;
    await rawRequest({ url: new URL(location, server.url).href, method: "PATCH", body: "some" });
    expect(readdirSync(join(dir, "ingest"))).toHaveLength(1);
    await server.close();
    expect(readdirSync(join(dir, "ingest"))).toEqual([]);
  });

  it("forgets an upload nobody touched for an hour, when another begins", async () => {
    let now = 0;
    const sessions = new UploadSessions(hub.store, () => now);
    const old = await sessions.start("demo/a");
    await sessions.append(old, bytesOf("old"));
    expect(drafts()).toBeGreaterThan(0);
    now = 60 * 60 * 1000;
    const kept = await sessions.start("demo/a");
    expect(sessions.find("demo/a", old.id).size).toBe(3);
    now += 1;
    await sessions.start("demo/a");
    expect(() => sessions.find("demo/a", old.id)).toThrow("no such upload");
    expect(sessions.find("demo/a", kept.id).size).toBe(0);
    expect(() => sessions.find("demo/b", kept.id)).toThrow("no such upload");
    await sessions.close();
  });
});

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

/** Waits until something is so: the test's own limit ends what never is. */
async function until(is: () => Promise<boolean>): Promise<void> {
  while (!(await is())) await new Promise((resolve) => setTimeout(resolve, 5));
}
