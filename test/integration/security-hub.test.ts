import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import { describe as describeBytes } from "../../src/domain/descriptor.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { htpasswdLine } from "../../src/hub/htpasswd.ts";
import { UploadSessions } from "../../src/hub/upload-sessions.ts";
import { openStore } from "../../src/store/image-store.ts";
import { rawRequest, type RawResponse } from "../components/raw-http.ts";
import { alice } from "../components/users.ts";
import { type HubServer, startHub } from "../support/hub.ts";
import { tempDir } from "../support/temp-dir.ts";
import { writeUsers } from "./hub-support.ts";

const SECRET = Buffer.from("the module nobody may see");
const blob = describeBytes(MediaType.soloModule, SECRET);

async function startFilled(mode: "basic" | "token", anonymousPull: boolean): Promise<HubServer> {
  const hub = await startHub((dir) => ({ auth: { mode, htpasswd: writeUsers(dir), anonymousPull } }));
  await hub.store.push(blob, bytesSource(SECRET));
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociManifest, config: blob, layers: [blob] }),
  );
  const descriptor = describeBytes(MediaType.ociManifest, manifest);
  await hub.store.push(descriptor, bytesSource(manifest));
  await hub.store.tag(`${hub.name}/team/secret:v1`, descriptor);
  return hub;
}

/** The head of whatever answer comes to a request line as it stands. */
async function statusOf(hub: HubServer, line: string, headers = ""): Promise<string> {
  const socket = connect(Number(new URL(hub.url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.write(Buffer.from(`${line} HTTP/1.1\r\nhost: ${hub.host}\r\nconnection: close\r\n${headers}\r\n`, "latin1"));
  await once(socket, "close");
  return text;
}

describe.each(["basic", "token"] as const)("a registry with users (%s)", (mode) => {
  let hub: HubServer;
  beforeAll(async () => {
    hub = await startFilled(mode, false);
  });
  afterAll(() => hub.close());

  const PREFIXES = [
    "/v2",
    "//v2",
    "/./v2",
    "/x/../v2",
    "/%2e%2e/v2",
    "/v2/.",
    "/v2//",
    "/V2",
    "/v2\\",
    "/v2/%2e",
    "\\v2",
  ];
  const HOSTS = ["", "http://localhost", "http://user:pass@127.0.0.1:1", "https://evil.example.com"];
  const PLACES = [
    "/team/secret/manifests/v1",
    "/team/secret/manifests/v1/",
    "/team%2fsecret/manifests/v1",
    `/team/secret/blobs/${blob.digest}`,
    `/team/secret/blobs/${blob.digest.replace(":", "%3A")}`,
    "/team/secret/tags/list",
    "/team/secret/tags/list?n=1",
    "/TEAM/secret/tags/list",
    "/_catalog",
    "/%5Fcatalog",
    `/other/blobs/uploads/?mount=${blob.digest}&from=team/secret`,
    `/other/blobs/uploads?mount=${blob.digest}`,
    `/other/blobs/uploads/?digest=${blob.digest}`,
    `/team/secret/referrers/${blob.digest}`,
    "/team/secret/../../token/manifests/v1",
    "/token/../v2/_catalog",
  ];

  it("shows nobody anything, however the path is spelt and whatever the method", async () => {
    const wrong: string[] = [];
    const asked = ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "get", "PUT"].flatMap((method) =>
      HOSTS.flatMap((host) =>
        PREFIXES.flatMap((prefix) => PLACES.map((place) => `${method} ${host}${prefix}${place}`)),
      ),
    );
    const waiting = [...asked];
    const work = async (): Promise<void> => {
      for (let line = waiting.pop(); line !== undefined; line = waiting.pop()) {
        const answer = await statusOf(hub, line, "content-length: 0\r\n");
        if (!/^HTTP\/1\.1 (?:400|401|404|405) /u.test(answer) || answer.includes(SECRET.toString())) {
          wrong.push(`${line}: ${answer.slice(0, 60)}`);
        }
      }
    };
    await Promise.all(Array.from({ length: 16 }, work));
    expect(wrong).toEqual([]);
    expect((await hub.store.names()).map(({ reference }) => reference)).toEqual([`${hub.name}/team/secret:v1`]);
  });

  it("takes no request hidden in another", async () => {
    const hidden = "GET /v2/team/secret/manifests/v1 HTTP/1.1\r\nhost: x\r\n\r\n";
    for (const headers of [
      "content-length: 0\r\ntransfer-encoding: chunked\r\n",
      "transfer-encoding: xchunked\r\n",
      "transfer-encoding: chunked, identity\r\n",
      "content-length: 5\r\ncontent-length: 6\r\n",
      "content-length: +5\r\n",
    ]) {
      const answer = await statusOf(hub, "POST /v2/x/blobs/uploads/", `${headers}\r\n0\r\n\r\n${hidden}`);
      expect(answer, headers).toMatch(/^HTTP\/1\.1 4/u);
      expect(answer, headers).not.toContain("HTTP/1.1 2");
    }
  });
});

describe("a registry on the own machine, without users", () => {
  let hub: HubServer;
  beforeAll(async () => {
    hub = await startHub();
  });
  afterAll(() => hub.close());

  const start = (headers: Record<string, string>): Promise<number> =>
    rawRequest({ url: `${hub.url}/v2/page/blobs/uploads/`, method: "POST", headers }).then(({ status }) => status);

  it("does nothing for a web page of another site", async () => {
    expect(await start({})).toBe(202);
    expect(await start({ origin: hub.url })).toBe(202);
    for (const origin of ["https://evil.example.com", "null", "http://localhost:1", "http://127.0.0.1"]) {
      expect(await start({ origin }), origin).toBe(403);
    }
    expect(await start({ "sec-fetch-site": "cross-site" })).toBe(403);
    const page = { origin: "https://evil.example.com" };
    const read = await rawRequest({ url: `${hub.url}/v2/`, method: "GET", headers: page });
    expect(read.headers["access-control-allow-origin"]).toBeUndefined();
  });

  it("answers to no name that an attacker can point at it", async () => {
    const status = async (host: string): Promise<number> =>
      (await rawRequest({ url: `${hub.url}/v2/`, method: "GET", headers: { host } })).status;
    for (const host of [
      "localhost:1",
      "127.0.0.1",
      "[::1]:5000",
      "kind-registry:5000",
      "host.docker.internal:5000",
      "a.localhost",
    ]) {
      expect(await status(host), host).toBe(200);
    }
    for (const host of [
      "evil.example.com",
      "evil.example.com:5000",
      "127.0.0.1.nip.io",
      "localhost.evil.com",
      "localhost.",
      "x@localhost",
    ]) {
      expect(await status(host), host).toBe(host === "localhost." ? 200 : 403);
    }
  });
});

it("takes no refresh token that was got by a password which changed since", async () => {
  const hub = await startHub((dir) => ({ auth: { mode: "token", htpasswd: writeUsers(dir) } }));
  try {
    const form = (fields: Record<string, string>): Promise<RawResponse> =>
      rawRequest({ url: `${hub.url}/token`, method: "POST", body: new URLSearchParams(fields).toString() });
    const { username, password } = alice;
    const first = await form({ grant_type: "password", username, password, access_type: "offline" });
    const { refresh_token: token = "" } = JSON.parse(first.text) as { refresh_token?: string };
    const again = { grant_type: "refresh_token", refresh_token: token };
    expect((await form(again)).status).toBe(200);
    writeFileSync(join(hub.dir, "users"), `${await htpasswdLine(username, "another")}\n`);
    expect((await form(again)).status).toBe(401);
    expect((await form({ grant_type: "password", username, password: "another" })).status).toBe(200);
  } finally {
    await hub.close();
  }
});

it("keeps nobody out for longer than a minute because somebody starts uploads and leaves them", async () => {
  let now = 0;
  const sessions = new UploadSessions(openStore(join(tempDir(), "images")), () => now);
  const first = await sessions.start("a");
  for (let count = 1; count < 500; count += 1) await sessions.start("a");
  await expect(sessions.start("b")).rejects.toMatchObject({ status: 429 });
  now = 50_000;
  await sessions.append(first, bytesSource(Buffer.from("still here")).open());
  now = 61_000;
  const other = await sessions.start("b");
  expect(sessions.find("b", other.id).size).toBe(0);
  expect(sessions.find("a", first.id).size).toBe(10);
  await sessions.close();
});

it("deletes nothing when it is not to, whatever a repository is called", async () => {
  const hub = await startHub({ deletes: false });
  try {
    for (const repository of ["a", "a/blobs/uploads", "a/blobs/uploads/b"]) {
      const url = `${hub.url}/v2/${repository}/manifests/v1`;
      expect((await rawRequest({ url, method: "DELETE" })).status, repository).toBe(405);
    }
  } finally {
    await hub.close();
  }
});

it("answers under the name it was given, and to every name when it asks for users or serves the network", async () => {
  const named = await startHub({ name: "registry.example.com" });
  const users = await startHub((dir) => ({ auth: { mode: "basic", htpasswd: writeUsers(dir) } }));
  const open = await startHub({ host: "0.0.0.0" });
  try {
    const ask = (hub: HubServer, host: string): Promise<number> => {
      const url = `http://127.0.0.1:${new URL(hub.url).port}/v2/`;
      return rawRequest({ url, method: "GET", headers: { host } }).then(({ status }) => status);
    };
    expect(await ask(named, "registry.example.com")).toBe(200);
    expect(await ask(named, "other.example.com")).toBe(403);
    expect(await ask(users, "other.example.com")).toBe(401);
    expect(await ask(open, "other.example.com")).toBe(200);
  } finally {
    await Promise.all([named.close(), users.close(), open.close()]);
  }
});
