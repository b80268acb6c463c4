import { afterEach, describe, expect, it } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import type { Credential } from "../../src/registry/credential.ts";
import type { Repository } from "../../src/registry/repository.ts";
import type { AuthScript } from "../support/fault-auth.ts";
import { fakeClock } from "../support/fault-clock.ts";
import { pullTestImage, pushTestImage, testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";

const alice: Credential = { kind: "basic", username: "alice", password: "s3:cret" };
const basic: AuthScript = { kind: "basic", username: "alice", password: "s3:cret" };
const bearer: AuthScript = { kind: "bearer", username: "alice", password: "s3:cret" };

describe("authenticating at a registry", () => {
  const image = testImage(100_000);
  const closing: (() => Promise<void> | void)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  async function start(script: AuthScript): Promise<FaultRegistry> {
    const registry = await startFaultRegistry(script);
    closing.push(() => registry.close());
    return registry;
  }

  function connect(registry: FaultRegistry, credential?: Credential): RegistryClient {
    const credentials = (): Promise<Credential | undefined> => Promise.resolve(credential);
    const client = createRegistryClient({ env: {}, clock: fakeClock(), credentials });
    closing.push(() => client.close());
    return client;
  }

  function open(registry: FaultRegistry, credential?: Credential, access: "pull" | "push" = "push"): Repository {
    return connect(registry, credential).repository(parseImageReference(`${registry.host}/demo/filter:v1`), access);
  }

  it.each([
    ["Basic", basic, 1],
    ["Bearer", bearer, 2],
  ])("costs %s %o few requests, once", async (_name, script, more) => {
    const registry = await start(script);
    const to = open(registry, alice);
    expect(await to.resolve("v1")).toBeUndefined();
    expect(registry.requests).toHaveLength(1 + more);
    registry.reset();
    await pushTestImage(to, image);
    expect(registry.requests).toHaveLength(6);
    await pullTestImage(to, image);
  });

  it("asks for pull and push at once before a push, and for pull alone before a pull", async () => {
    const registry = await start({ ...bearer, anonymousPull: true });
    await pushTestImage(open(registry, alice), image);
    const asked = registry.requests.filter(({ kind }) => kind === "token");
    expect(asked.map(({ path }) => new URL(path, registry.url).searchParams.getAll("scope"))).toEqual([
      ["repository:demo/filter:pull,push"],
    ]);
    registry.reset();
    await pullTestImage(open(registry, undefined, "pull"), image);
    const paths = registry.requests.filter(({ kind }) => kind === "token").map(({ path }) => path);
    expect(paths).toHaveLength(1);
    expect(new URL(paths[0] ?? "", registry.url).searchParams.getAll("scope")).toEqual(["repository:demo/filter:pull"]);
  });

  it("merges a scope the challenge asks for beside ours", async () => {
    const registry = await start({ ...bearer, extraScope: "repository:base/image:pull" });
    await pushTestImage(open(registry, alice), image);
    const token = registry.requests.find(({ kind }) => kind === "token");
    expect(new URL(token?.path ?? "", registry.url).searchParams.getAll("scope")).toEqual([
      "repository:base/image:pull",
      "repository:demo/filter:pull,push",
    ]);
  });

  it("asks again when its first token is said to allow too little", async () => {
    const registry = await start(bearer);
    const challenge = (scope: string): string => `Bearer realm="${registry.url}/token",service="test",scope="${scope}"`;
    const more = `${challenge("repository:base/image:pull")},error="insufficient_scope"`;
    registry.on("manifest.get", fault.status(401, { "www-authenticate": challenge("repository:demo/filter:pull") }), 1);
    registry.on("manifest.get", fault.status(401, { "www-authenticate": more }), 1);
    expect(await open(registry, alice, "pull").fetchManifest("v1")).toBeUndefined();
    const asked = registry.requests.filter(({ kind }) => kind === "token");
    expect(asked.map(({ path }) => new URL(path, registry.url).searchParams.getAll("scope"))).toEqual([
      ["repository:demo/filter:pull"],
      ["repository:base/image:pull", "repository:demo/filter:pull"],
    ]);
  });

  it("asks for one token however many requests wait for it", async () => {
    const registry = await start(bearer);
    const from = open(registry, alice);
    await Promise.all(Array.from({ length: 6 }, (_each, at) => from.exists({ ...image.moduleDescriptor, size: at })));
    expect(registry.count("token")).toBe(1);
  });

  it("renews a token that ended between two requests and replays the body", async () => {
    const registry = await start({ ...bearer, uses: 3 });
    const to = open(registry, alice);
    await pushTestImage(to, image);
    expect(registry.count("token")).toBeGreaterThanOrEqual(2);
    expect(await to.resolve("v1")).toEqual(image.manifestDescriptor);
  });

  it("reads the token from access_token too", async () => {
    const registry = await start({ ...bearer, field: "access_token" });
    await pushTestImage(open(registry, alice), image);
    expect(registry.count("token")).toBe(1);
  });

  it("exchanges a refresh token by POST", async () => {
    const registry = await start({ ...bearer, refreshToken: "refresh-me" });
    await pushTestImage(open(registry, { kind: "identity-token", username: "", token: "refresh-me" }), image);
    expect(registry.requests.filter(({ kind }) => kind === "token").map(({ method }) => method)).toEqual(["POST"]);
  });

  it.each([404, 405, 400, 401])("goes back to GET when a POST for a token gets %i", async (postStatus) => {
    const registry = await start({ ...bearer, refreshToken: "refresh-me", postStatus });
    await pushTestImage(open(registry, { kind: "identity-token", username: "", token: "refresh-me" }), image);
    expect(registry.requests.filter(({ kind }) => kind === "token").map(({ method }) => method)).toEqual([
      "POST",
      "GET",
    ]);
  });

  it("pulls anonymously with a token where that is allowed", async () => {
    const registry = await start({ ...bearer, anonymousPull: true });
    await pushTestImage(open(registry, alice), image);
    registry.reset();
    await pullTestImage(open(registry), image);
    expect(registry.requests.find(({ kind }) => kind === "token")?.authorization).toBeUndefined();
  });

  it.each([
    ["Basic", basic, { kind: "basic", username: "alice", password: "wrong" } as const, 2, "REGISTRY_UNAUTHORISED"],
    ["Basic, nobody logged in", basic, undefined, 1, "REGISTRY_UNAUTHORISED"],
    ["Bearer", bearer, { kind: "basic", username: "alice", password: "wrong" } as const, 2, "LOGIN_REFUSED"],
  ])("stops at wrong credentials: %s", async (_name, script, credential, requests, code) => {
    const registry = await start(script);
    await expect(open(registry, credential).fetchManifest("v1")).rejects.toMatchObject({
      kind: "unauthorised",
      code,
      hint: expect.stringContaining(`wasme login ${registry.host}`),
    });
    expect(registry.requests).toHaveLength(requests);
  });

  it("words a 401 as the house does", async () => {
    const registry = await start(basic);
    await expect(open(registry).fetchManifest("v1")).rejects.toThrow(
      `${registry.host} refused to read demo/filter:v1 (401 unauthorized)`,
    );
  });

  it("stops at a 401 that never ends, whatever it offers", async () => {
    const registry = await start(bearer);
    const challenge = `Bearer realm="${registry.url}/token",service="test",error="invalid_token"`;
    registry.on("manifest.get", fault.status(401, { "www-authenticate": challenge }));
    await expect(open(registry, alice).fetchManifest("v1")).rejects.toMatchObject({ code: "REGISTRY_UNAUTHORISED" });
    expect(registry.count("manifest.get")).toBe(2);
  });

  it("asks the base of the API how to authenticate when a 401 does not say", async () => {
    const registry = await start(basic);
    registry.on("manifest.get", fault.status(401), 1);
    expect(await open(registry, alice).fetchManifest("v1")).toBeUndefined();
    expect(registry.requests.map(({ kind }) => kind)).toEqual(["manifest.get", "ping", "manifest.get"]);
  });

  it("says what a 403 says", async () => {
    const registry = await start(basic);
    registry.on("upload.post", fault.refuse(403, "DENIED", "quota exceeded"));
    await expect(open(registry, alice).push(image.configDescriptor, bytesSource(image.config))).rejects.toMatchObject({
      kind: "unauthorised",
      code: "REGISTRY_DENIED",
      message: expect.stringContaining("quota exceeded"),
      details: { registryCode: "DENIED", status: 403 },
    });
    expect(registry.count("upload.post")).toBe(1);
  });

  it.each([
    ["no URL", "not a url", "not a URL"],
    ["ftp", "ftp://127.0.0.1/token", "not http or https"],
    ["a metadata service", "http://169.254.169.254/token", "link-local"],
  ])("refuses a realm that is %s", async (_name, realm, why) => {
    const registry = await start(bearer);
    registry.on("manifest.get", fault.status(401, { "www-authenticate": `Bearer realm="${realm}"` }));
    await expect(open(registry, alice).fetchManifest("v1")).rejects.toMatchObject({
      code: "REALM_REFUSED",
      message: expect.stringContaining(why),
    });
    expect(registry.requests).toHaveLength(1);
  });

  it("names a token server that cannot be reached", async () => {
    const registry = await start(bearer);
    registry.on("manifest.get", fault.status(401, { "www-authenticate": 'Bearer realm="http://127.0.0.1:1/token"' }));
    await expect(open(registry, alice).fetchManifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      message: expect.stringContaining("127.0.0.1:1"),
    });
  });

  it.each([
    ["endless", fault.endless({ "content-type": "application/json" }), "BODY_TOO_LARGE"],
    ["nonsense", fault.change(() => ({ status: 200, headers: {}, body: Buffer.from("<html>") })), "TOKEN_INVALID"],
    ["a header injected", fault.change(() => tokenAnswer("a\r\nb")), "TOKEN_INVALID"],
  ])("refuses a token answer that is %s", async (_name, script, code) => {
    const registry = await start(bearer);
    registry.on("token", script);
    await expect(open(registry, alice).fetchManifest("v1")).rejects.toMatchObject({ code });
  });

  it("waits for a busy token server", async () => {
    const registry = await start(bearer);
    registry.on("token", fault.status(503), 2);
    expect(await open(registry, alice).fetchManifest("v1")).toBeUndefined();
    expect(registry.count("token")).toBe(3);
  });

  describe("secrets stay at home", () => {
    function leaks(registry: FaultRegistry): readonly string[] {
      const away = registry.requests.filter(({ origin }) => origin === "elsewhere");
      expect(away.length).toBeGreaterThan(0);
      return away.filter(({ authorization }) => authorization !== undefined).map(({ path }) => path);
    }

    it.each([
      ["Basic", basic],
      ["Bearer", bearer],
    ])("when a blob is redirected to another port of the same host (%s)", async (_name, script) => {
      const registry = await start(script);
      await pushTestImage(open(registry, alice), image);
      const from = open(registry, alice);
      await from.fetchManifest("v1");
      registry.on("blob.get", fault.redirectElsewhere());
      await pullTestImage(from, image);
      expect(leaks(registry)).toEqual([]);
    });

    it.each([
      ["Basic", basic],
      ["Bearer", bearer],
    ])("when an upload goes on at another origin (%s)", async (_name, script) => {
      const registry = await start(script);
      const to = open(registry, alice);
      await to.resolve("v1");
      registry.on("upload.post", fault.locationElsewhere());
      await pushTestImage(to, image);
      expect(leaks(registry)).toEqual([]);
    });

    it("when the token server sends us away", async () => {
      const registry = await start({ ...bearer, anonymousPull: true });
      registry.on("token", fault.redirectElsewhere(302));
      await open(registry, alice)
        .fetchManifest("v1")
        .catch(() => undefined);
      expect(leaks(registry)).toEqual([]);
    });

    it("when a form with a refresh token would be sent away", async () => {
      const registry = await start({ ...bearer, refreshToken: "refresh-me" });
      registry.on("token", fault.redirectElsewhere(307));
      const from = open(registry, { kind: "identity-token", username: "", token: "refresh-me" });
      await expect(from.fetchManifest("v1")).rejects.toMatchObject({ code: "REDIRECT_REFUSED" });
      expect(registry.requests.filter(({ origin }) => origin === "elsewhere")).toEqual([]);
    });

    it("but follow a redirect within the origin", async () => {
      const registry = await start(basic);
      const to = open(registry, alice);
      await pushTestImage(to, image);
      registry.reset();
      registry.on("manifest.get", fault.status(307, { location: "/v2/demo/filter/manifests/v1?again=1" }), 1);
      await to.fetchManifest("v1");
      expect(registry.requests.map(({ authorization }) => authorization !== undefined)).toEqual([true, true]);
    });
  });

  describe("login", () => {
    it.each([
      ["Basic", basic],
      ["Bearer", bearer],
    ])("is verified (%s)", async (_name, script) => {
      const registry = await start(script);
      expect(await connect(registry).verifyLogin(registry.host, alice)).toBe("verified");
      const wrong: Credential = { kind: "basic", username: "alice", password: "no" };
      await expect(connect(registry).verifyLogin(registry.host, wrong)).rejects.toMatchObject({
        kind: "unauthorised",
        code: "LOGIN_REFUSED",
        message: expect.stringContaining("refused the user name or password"),
        hint: expect.stringContaining("an access token"),
      });
    });

    it("cannot be verified at a registry that lets everybody in", async () => {
      const registry = await startFaultRegistry();
      closing.push(() => registry.close());
      expect(await connect(registry).verifyLogin(registry.host, alice)).toBe("open");
    });

    it("is refused at what is no registry", async () => {
      const registry = await start(basic);
      registry.on("ping", fault.status(404));
      await expect(connect(registry).verifyLogin(registry.host, alice)).rejects.toMatchObject({
        code: "NOT_A_REGISTRY",
      });
    });
  });
});

function tokenAnswer(token: string): { status: number; headers: Record<string, string>; body: Buffer } {
  return { status: 200, headers: {}, body: Buffer.from(JSON.stringify({ token })) };
}
