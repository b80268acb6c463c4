import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TokenSigner } from "../../src/hub/access-token.ts";
import { htpasswdLine, openHtpasswd, parseHtpasswd } from "../../src/hub/htpasswd.ts";
import { rawRequest, type RawResponse } from "../components/raw-http.ts";
import { alice, bob, reader, type RegistryUser, registryUsers } from "../components/users.ts";
import { storeTestImage, testImage } from "../support/fault-image.ts";
import { makeTempDir, tempDir } from "../support/temp-dir.ts";
import { codesOf, type ModeServer, startMode, writeUsers } from "./hub-support.ts";

const image = testImage(500);
const basic = ({ username, password }: Pick<RegistryUser, "username" | "password">): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;

/** Requests of every kind, and what each needs. */
const REQUESTS: readonly (readonly [method: string, path: string, scope: string])[] = [
  ["GET", "/v2/demo/a/manifests/v1", "repository:demo/a:pull"],
  ["HEAD", `/v2/demo/a/blobs/${image.moduleDescriptor.digest}`, "repository:demo/a:pull"],
  ["GET", "/v2/demo/a/tags/list", "repository:demo/a:pull"],
  ["GET", `/v2/demo/a/referrers/${image.manifestDescriptor.digest}`, "repository:demo/a:pull"],
  ["POST", "/v2/demo/a/blobs/uploads/", "repository:demo/a:pull,push"],
  [
    "POST",
    `/v2/demo/a/blobs/uploads/?mount=sha256:00&from=demo/b`,
    "repository:demo/a:pull,push repository:demo/b:pull",
  ],
  ["GET", "/v2/demo/a/blobs/uploads/x", "repository:demo/a:pull,push"],
  ["PATCH", "/v2/demo/a/blobs/uploads/x", "repository:demo/a:pull,push"],
  ["DELETE", "/v2/demo/a/blobs/uploads/x", "repository:demo/a:pull,push"],
  ["PUT", "/v2/demo/a/manifests/v2", "repository:demo/a:pull,push"],
  ["DELETE", "/v2/demo/a/manifests/v1", "repository:demo/a:delete"],
  ["DELETE", `/v2/demo/a/blobs/${image.moduleDescriptor.digest}`, "repository:demo/a:delete"],
  ["GET", "/v2/_catalog", "registry:catalog:*"],
];

async function withImage(server: ModeServer): Promise<ModeServer> {
  await storeTestImage(server.hub.store, image, `${server.hub.name}/demo/a:v1`);
  return server;
}

describe.each([false, true])("a registry with Basic, anonymous pulls: %s", (anonymousPull) => {
  const dir = makeTempDir();
  let server: ModeServer;
  beforeAll(async () => {
    const htpasswd = writeUsers(dir);
    server = await withImage(await startMode("open", { auth: { mode: "basic", htpasswd, anonymousPull } }));
  });
  afterAll(async () => {
    await server.close();
    rmSync(dir, { recursive: true });
  });

  const ask = (method: string, path: string, authorization?: string): Promise<RawResponse> => {
    const headers = authorization === undefined ? {} : { authorization };
    return rawRequest({ url: `${server.url}${path}`, method, headers });
  };

  it.each(REQUESTS)("asks who wants to %s %s", async (method, path, scope) => {
    const answer = await ask(method, path);
    const open = anonymousPull && scope === "repository:demo/a:pull";
    expect(answer.status).toBe(open ? 200 : 401);
    const challenge = open ? undefined : 'Basic realm="wasme registry",charset="UTF-8"';
    expect(answer.headers["www-authenticate"]).toBe(challenge);
    expect((await ask(method, path, basic({ ...alice, password: "wrong" }))).status).toBe(401);
  });

  it("asks at the base, so that clients learn how to log in and whether a password is right", async () => {
    const answer = await ask("GET", "/v2/");
    expect(answer.status).toBe(401);
    expect(codesOf(answer)).toEqual(["UNAUTHORIZED"]);
    for (const user of registryUsers) {
      expect((await ask("GET", "/v2/", basic(user))).status).toBe(200);
      expect((await ask("GET", "/v2/", basic(user).replace("Basic", "bAsIc"))).status).toBe(200);
    }
  });

  it.each([
    basic({ username: "alice", password: "s3cre" }),
    basic({ username: "nobody", password: "s3cret" }),
    basic({ username: "", password: "s3cret" }),
    "Basic !!!",
    "Basic ",
    "Bearer abc",
  ])("refuses %j", async (authorization) => {
    expect((await ask("GET", "/v2/demo/a/tags/list", authorization)).status).toBe(401);
  });
});

describe("a registry with tokens", () => {
  let server: ModeServer;
  beforeAll(async () => {
    server = await withImage(await startMode("token"));
  });
  afterAll(async () => await server.close());

  const ask = (method: string, path: string, token?: string): Promise<RawResponse> => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return rawRequest({ url: `${server.url}${path}`, method, headers });
  };
  const get = (query: string, authorization: string): Promise<RawResponse> =>
    rawRequest({ url: `${server.url}/token?${query}`, headers: { authorization } });
  const post = (form: Readonly<Record<string, string>>): Promise<RawResponse> =>
    rawRequest({ url: `${server.url}/token`, method: "POST", body: new URLSearchParams(form).toString() });
  interface Granted {
    readonly token: string;
    readonly access_token: string;
    readonly expires_in: number;
    readonly issued_at: string;
    readonly scope: string;
    readonly refresh_token?: string;
  }
  const granted = (answer: RawResponse): Granted => {
    expect(answer.status, answer.text).toBe(200);
    expect(answer.headers["cache-control"]).toBe("no-store");
    return JSON.parse(answer.text) as Granted;
  };

  it.each(REQUESTS)("says which token %s %s needs, and takes it", async (method, path, scope) => {
    const refused = await ask(method, path);
    expect(refused.status).toBe(401);
    const challenge = `Bearer realm="${server.url}/token",service="wasme-registry",scope="${scope}"`;
    expect(refused.headers["www-authenticate"]).toBe(challenge);

    const less = granted(await get("scope=repository:demo/other:pull,push", basic(alice))).token;
    const insufficient = await ask(method, path, less);
    expect(insufficient.status).toBe(401);
    expect(insufficient.headers["www-authenticate"]).toBe(`${challenge},error="insufficient_scope"`);

    const query = new URLSearchParams(scope.split(" ").map((each): [string, string] => ["scope", each]));
    const { token } = granted(await get(query.toString(), basic(alice)));
    // What would delete the image is only asked for by a name it does not have.
    const target = method === "DELETE" ? path.replace("v1", "v0").replace("/blobs/sha256:", "/blobs/") : path;
    expect([401, 403]).not.toContain((await ask(method, target, token)).status);
  });

  it("gives tokens out in every way of the token specification", async () => {
    const scope = "repository:demo/a:pull,push";
    const first = granted(await get(`service=x&scope=${scope}&offline_token=true`, basic(bob)));
    expect(first).toMatchObject({ expires_in: 300, scope, access_token: first.token });
    expect(new Date(first.issued_at).getTime()).toBeLessThanOrEqual(Date.now());
    const byRefresh = { grant_type: "refresh_token", refresh_token: first.refresh_token ?? "", scope };
    const byPassword = { grant_type: "password", username: bob.username, password: bob.password, scope };
    for (const form of [byRefresh, byPassword, { ...byPassword, access_type: "offline" }]) {
      const { token, refresh_token: refresh } = granted(await post(form));
      expect((await ask("POST", "/v2/demo/a/blobs/uploads/", token)).status).toBe(202);
      expect(refresh !== undefined).toBe("access_type" in form);
    }
    expect((await ask("GET", "/v2/", granted(await get("", basic(alice))).token)).status).toBe(200);
  });

  it.each([
    [{ grant_type: "refresh_token", refresh_token: "x.y.z" }, 401],
    [{ grant_type: "refresh_token" }, 401],
    [{ grant_type: "password", username: "alice", password: "wrong" }, 401],
    [{ grant_type: "frob" }, 400],
    [{}, 400],
  ] as const)("refuses to give one for %j", async (form, status) => {
    expect((await post(form)).status).toBe(status);
  });

  it("refuses to give one for a wrong password, or for nobody", async () => {
    for (const headers of [{}, { authorization: basic({ ...alice, password: "x" }) }, { authorization: "Basic x" }]) {
      const answer = await rawRequest({ url: `${server.url}/token`, headers });
      expect(answer.status).toBe(401);
      expect(answer.headers["www-authenticate"]).toContain("Basic ");
    }
  });

  it("takes no token that is altered, of another use, of another server, or no token at all", async () => {
    const scope = "scope=repository:demo/a:pull";
    const { token, refresh_token: refresh = "" } = granted(await get(`${scope}&offline_token=1`, basic(alice)));
    expect(refresh).toBe("");
    const offline = granted(await get(`${scope}&offline_token=true`, basic(alice))).refresh_token ?? "";
    const [head = "", body = "", mac = ""] = token.split(".");
    const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as Record<string, unknown>;
    const richer = Buffer.from(JSON.stringify({ ...claims, exp: 9_999_999_999 })).toString("base64url");
    const none = Buffer.from('{"alg":"none"}').toString("base64url");
    const forged = new TokenSigner().sign({ use: "access", user: "alice", access: [] }, 60);
    expect((await ask("GET", "/v2/demo/a/tags/list", token)).status).toBe(200);
    for (const bad of [
      `${head}.${richer}.${mac}`,
      `${none}.${body}.`,
      `${head}.${body}.${mac}A`,
      forged,
      offline,
      "x",
    ]) {
      const answer = await ask("GET", "/v2/demo/a/tags/list", bad);
      expect(answer.status).toBe(401);
      expect(answer.headers["www-authenticate"]).toContain('error="invalid_token"');
    }
    expect((await post({ grant_type: "refresh_token", refresh_token: token })).status).toBe(401);
    const direct = await rawRequest({ url: `${server.url}/v2/`, headers: { authorization: basic(alice) } });
    expect(direct.status).toBe(401);
  });

  it("names itself as the client called it, behind a proxy too", async () => {
    const challenge = async (headers: Readonly<Record<string, string>>): Promise<string> =>
      String((await rawRequest({ url: `${server.url}/v2/`, headers })).headers["www-authenticate"]);
    expect(await challenge({ host: "hub.test:80" })).toContain('realm="http://hub.test:80/token"');
    expect(await challenge({ host: "hub.test", "x-forwarded-proto": "https" })).toContain('"https://hub.test/token"');
    expect(await challenge({ host: 'a"b' })).toContain(`realm="${server.url}/token"`);
  });
});

it("lets everybody pull with an anonymous token, and push nothing", async () => {
  const dir = tempDir();
  const htpasswd = writeUsers(dir);
  const server = await withImage(await startMode("open", { auth: { mode: "token", htpasswd, anonymousPull: true } }));
  try {
    const scope = "scope=repository:demo/a:pull,push&scope=registry:catalog:*";
    const answer = await rawRequest({ url: `${server.url}/token?${scope}&offline_token=true` });
    const token = JSON.parse(answer.text) as { readonly token: string; readonly scope: string };
    expect(token).toMatchObject({ scope: "repository:demo/a:pull" });
    expect(token).not.toHaveProperty("refresh_token");
    const ask = async (method: string, path: string): Promise<number> => {
      const headers = { authorization: `Bearer ${token.token}` };
      return (await rawRequest({ url: `${server.url}${path}`, method, headers })).status;
    };
    expect(await ask("GET", "/v2/demo/a/manifests/v1")).toBe(200);
    expect(await ask("POST", "/v2/demo/a/blobs/uploads/")).toBe(401);
    expect(await ask("GET", "/v2/_catalog")).toBe(401);
    expect(await ask("GET", "/v2/")).toBe(200);
  } finally {
    await server.close();
  }
});

describe("tokens", () => {
  it("end with their time", () => {
    let now = 1_000_000;
    const signer = new TokenSigner(() => now);
    const token = signer.sign({ use: "access", user: "a", access: [] }, 60);
    now += 59_999;
    expect(signer.read(token, "access")).toEqual({ use: "access", user: "a", access: [] });
    now += 1;
    expect(signer.read(token, "access")).toBeUndefined();
  });
});

describe("an htpasswd file", () => {
  it("is read again when it changes; one that became invalid leaves the users as they were", async () => {
    const path = join(tempDir(), "users");
    writeFileSync(path, `# users\n\n${alice.htpasswd}\r\n`);
    const faults: string[] = [];
    const users = await openHtpasswd(path, (error) => faults.push(error.message));
    expect(await users.verify(alice.username, alice.password)).toBe(true);
    expect(await users.verify(reader.username, reader.password)).toBe(false);
    appendFileSync(path, `${reader.htpasswd}\n`);
    expect(await users.verify(reader.username, reader.password)).toBe(true);
    appendFileSync(path, "oops\n");
    expect(await users.verify(reader.username, reader.password)).toBe(true);
    expect(faults).toEqual([`line 5 of ${path}: it is not USER:HASH`]);
    writeFileSync(path, `${reader.htpasswd}\n`);
    expect(await users.verify(alice.username, alice.password)).toBe(false);
    expect(await users.fingerprint(alice.username)).toBeUndefined();
    expect(await users.fingerprint(reader.username)).toBeDefined();
  });

  it("takes the hashes of bcrypt in all its spellings, and our own", async () => {
    const hash = alice.htpasswd.slice("alice:$2y$".length);
    const own = await htpasswdLine("dave", bob.password);
    const path = join(tempDir(), "users");
    writeFileSync(path, `a:$2a$${hash}\nb:$2b$${hash}\ny:$2y$${hash}\n${own}\n`);
    const users = await openHtpasswd(path, () => undefined);
    for (const name of ["a", "b", "y"]) expect(await users.verify(name, alice.password), name).toBe(true);
    expect(await users.verify("dave", bob.password)).toBe(true);
    expect(await users.verify("dave", alice.password)).toBe(false);
  });

  it.each([
    ["alice", "line 1 of f: it is not USER:HASH"],
    [":hash", "line 1 of f: it is not USER:HASH"],
    ["# x\nalice:{SHA}abc", "line 2 of f: the password of alice is not hashed with bcrypt"],
    ["alice:plain", "line 1 of f: the password of alice is not hashed with bcrypt"],
    [`${alice.htpasswd}\n${alice.htpasswd}`, "line 2 of f: alice stands on an earlier line already"],
    ["", "f holds no user"],
  ])("is refused as %j: %s", (text, message) => {
    expect(() => parseHtpasswd(text, "f")).toThrow(message);
  });
});
