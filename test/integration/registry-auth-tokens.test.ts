import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesSource } from "../../src/domain/content.ts";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import { createRegistryClient, type RegistryClient } from "../../src/registry/client.ts";
import type { Credential } from "../../src/registry/credential.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { type FakeClock, fakeClock } from "../support/fault-clock.ts";
import { type Fault, pass } from "../support/fault-exchange.ts";
import { pushTestImage, testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";
import { type FaultRegistry, startFaultRegistry } from "../support/fault-registry.ts";

const alice: Credential = { kind: "basic", username: "alice", password: "s3:cret" };

/** Something one side waits for and the other gives. */
function signal(): { readonly given: Promise<void>; give(): void } {
  let give = (): void => undefined;
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}

/** Life and death of bearer tokens, at a registry whose token server does as each test says. */
describe("bearer tokens", () => {
  const image = testImage(100_000);
  let registry: FaultRegistry;
  let client: RegistryClient;
  let clock: FakeClock;
  let events: ProgressEvent[];
  /** Tokens the registry takes. */
  let good: Set<string>;

  beforeEach(async () => {
    registry = await startFaultRegistry();
    clock = fakeClock();
    events = [];
    good = new Set();
    client = connect(alice);
  });
  afterEach(async () => {
    client.close();
    await registry.close();
  });

  function connect(credential: Credential | undefined): RegistryClient {
    const credentials = (): Promise<Credential | undefined> => Promise.resolve(credential);
    const options = { env: {}, clock, credentials, idleTimeoutMs: 600_000 };
    return createRegistryClient({ ...options, events: (event) => events.push(event) });
  }

  function open(access: "pull" | "push" = "push", from: RegistryClient = client): Repository {
    return from.repository(parseImageReference(`${registry.host}/demo/filter:v1`), access);
  }

  function challenge(more = ""): Record<string, string> {
    return { "www-authenticate": `Bearer realm="${registry.url}/token",service="test"${more}` };
  }

  /** Everything but the token server wants a good token. */
  function guard(more = ""): void {
    const gate: Fault = (exchange) => {
      const token = exchange.request.headers.authorization?.replace(/^Bearer /u, "") ?? "";
      return good.has(token) ? pass(exchange) : fault.status(401, challenge(more))(exchange);
    };
    registry.on(({ kind }) => kind !== "token", gate);
  }

  /** Tokens with these fields beside; `before` may wait. */
  function give(fields: Record<string, unknown> = {}, head: Record<string, string> = {}, times?: number): void {
    const answer: Fault = ({ request, response }) => {
      request.resume();
      const token = randomUUID();
      good.add(token);
      response.writeHead(200, head).end(JSON.stringify({ token, ...fields }));
    };
    registry.on("token", answer, times);
  }

  function scopes(): readonly (readonly string[])[] {
    const asked = registry.requests.filter(({ kind }) => kind === "token");
    return asked.map(({ path }) => new URL(path, registry.url).searchParams.getAll("scope"));
  }

  describe("one for many requests", () => {
    /** A token server that waits; `asked` when it was asked, `left` when its client went away. */
    function slowTokens(): { readonly asked: Promise<void>; readonly left: Promise<void>; answer(): void } {
      const [asked, left, go] = [signal(), signal(), signal()];
      const waiting: Fault = async ({ request, response }) => {
        request.resume();
        request.socket.once("close", () => left.give());
        asked.give();
        await go.given;
        good.add("slow");
        response.writeHead(200).end('{"token":"slow"}');
      };
      registry.on("token", waiting, 1);
      return { asked: asked.given, left: left.given, answer: () => go.give() };
    }

    /** The registry is known to want tokens, and there is none: every request waits for one before it is sent. */
    async function withoutToken(): Promise<ReturnType<typeof slowTokens>> {
      guard();
      give({}, {}, 1);
      await open().resolve("v1");
      clock.advance(60_000);
      registry.reset();
      guard();
      return slowTokens();
    }

    it("are not lost to the others when the one who asked first gives up", async () => {
      const tokens = await withoutToken();
      const stop = new AbortController();
      const first = open().resolve("v1", stop.signal);
      const others = [open().resolve("v1"), open().resolve("v1", new AbortController().signal)];
      await tokens.asked;
      stop.abort(new Error("enough"));
      await expect(first).rejects.toThrow("enough");
      tokens.answer();
      expect(await Promise.all(others)).toEqual([undefined, undefined]);
      expect(registry.requests.map(({ kind }) => kind)).toEqual(["token", "manifest.head", "manifest.head"]);
    });

    it("are given up when everybody did, and asked for anew by the next", async () => {
      const tokens = await withoutToken();
      const stops = [new AbortController(), new AbortController()];
      const waiting = stops.map(({ signal: each }) => open().resolve("v1", each));
      await tokens.asked;
      for (const stop of stops) stop.abort(new Error("enough"));
      for (const each of waiting) await expect(each).rejects.toThrow("enough");
      await tokens.left;
      give();
      expect(await open().resolve("v1")).toBeUndefined();
      expect(registry.requests.map(({ kind }) => kind)).toEqual(["token", "token", "manifest.head"]);
    });

    it("are not asked for by who gave up before", async () => {
      await withoutToken();
      const { requests } = client.traffic();
      await expect(open().resolve("v1", AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
      await new Promise(setImmediate);
      expect(client.traffic().requests).toBe(requests);
    });

    it("are renewed once when they end while several wait", async () => {
      guard();
      give({ expires_in: 100 });
      await open().resolve("v1");
      clock.advance(91_000);
      await Promise.all(Array.from({ length: 6 }, () => open().resolve("v1")));
      expect(registry.count("token")).toBe(2);
      expect(registry.count("manifest.head")).toBe(1 + 1 + 6);
    });

    it("are renewed once when the registry forgets them, and everything is sent again", async () => {
      guard();
      give();
      await open().resolve("v1");
      good.clear();
      await Promise.all(Array.from({ length: 6 }, () => open().resolve("v1")));
      expect(registry.count("token")).toBe(2);
      expect(registry.count("manifest.head")).toBe(2 + 12);
    });
  });

  describe("last", () => {
    it.each([
      ["a minute when nothing is said", {}, 53, 55],
      ["as long as it is said, less a tenth", { expires_in: 300 }, 269, 271],
      ["a minute when nonsense is said", { expires_in: -1 }, 53, 55],
      ["as long as is left of one made before", { expires_in: 300, issued_at: "2026-01-02T03:00:00Z" }, 134, 136],
      ["their whole life when made in the future", { expires_in: 300, issued_at: "2026-01-02T04:00:00Z" }, 269, 271],
      ["their whole life when made too long ago", { expires_in: 300, issued_at: "2020-01-01T00:00:00Z" }, 269, 271],
      ["their whole life when the time is nonsense", { expires_in: 300, issued_at: "yesterday" }, 269, 271],
    ])("%s", async (_name, fields, before, after) => {
      guard();
      give(fields, { date: "Fri, 02 Jan 2026 03:02:30 GMT" });
      await open().resolve("v1");
      clock.advance(before * 1000);
      await open().resolve("v1");
      expect(registry.count("token")).toBe(1);
      clock.advance((after - before) * 1000);
      await open().resolve("v1");
      expect(registry.count("token")).toBe(2);
    });

    it("not always from POST to PUT: then the body is sent again", async () => {
      guard(',error="invalid_token"');
      give();
      const to = open();
      await to.resolve("v1");
      const forget: Fault = (exchange) => {
        good.clear();
        return fault.status(401, challenge(',error="invalid_token"'))(exchange);
      };
      registry.reset();
      registry.on("upload.put", forget, 1);
      guard(',error="invalid_token"');
      give();
      let opened = 0;
      const source = bytesSource(image.module);
      const body = { ...source, open: (start?: number) => ((opened += 1), source.open(start)) };
      await to.push(image.moduleDescriptor, body);
      expect([registry.count("upload.put"), registry.count("token"), opened]).toEqual([2, 1, 2]);
      expect(await to.exists(image.moduleDescriptor)).toBe(true);
    });

    it("no longer than their refresh token, which may be good for one use", async () => {
      const posted: string[] = [];
      const rotating: Fault = async ({ request, response }) => {
        let form = "";
        for await (const chunk of request) form += String(chunk);
        posted.push(new URLSearchParams(form).get("refresh_token") ?? "");
        const token = randomUUID();
        good.add(token);
        response.writeHead(200).end(JSON.stringify({ token, refresh_token: `next-${posted.length}` }));
      };
      guard();
      registry.on("token", rotating);
      const from = open("pull", connect({ kind: "identity-token", username: "", token: "first" }));
      for (let at = 0; at < 3; at++) {
        await from.resolve("v1");
        clock.advance(60_000);
      }
      expect(posted).toEqual(["first", "next-1", "next-2"]);
    });

    it("whatever their length", async () => {
      const long = "t".repeat(12_000);
      good.add(long);
      guard();
      give({ token: long });
      const from = connect({ kind: "basic", username: "AWS", password: "p".repeat(9000) });
      expect(await open("pull", from).resolve("v1")).toBeUndefined();
    });
  });

  describe("that allow too little", () => {
    const wanted = "repository:demo/filter:pull,push";

    it.each([401, 403])("are asked for again with the scope a %i names, once", async (code) => {
      guard();
      give();
      const more = ',scope="repository:demo/filter:pull repository:other/base:pull",error="insufficient_scope"';
      registry.reset();
      await open()
        .resolve("v1")
        .catch(() => undefined);
      registry.reset();
      registry.on("manifest.get", fault.status(code, challenge(more)), 1);
      guard();
      give();
      expect(await open().fetchManifest("v1")).toBeUndefined();
      expect(scopes().at(-1)).toEqual(["repository:demo/filter:pull,push", "repository:other/base:pull"]);
      expect(registry.count("manifest.get")).toBeLessThanOrEqual(3);
    });

    it("are not asked for again when the very scope is refused; the message names it", async () => {
      guard();
      give();
      const to = open();
      await to.resolve("v1");
      registry.reset();
      registry.on("upload.post", fault.status(401, challenge(`,scope="${wanted}",error="insufficient_scope"`)));
      guard();
      give();
      await expect(to.push(image.configDescriptor, bytesSource(image.config))).rejects.toMatchObject({
        kind: "unauthorised",
        code: "REGISTRY_UNAUTHORISED",
        message: expect.stringContaining(`; the token lacks ${wanted}`),
        hint: `the account may not do this, or there is no such repository; to log in as another: wasme login ${registry.host}`,
        details: { scopes: [wanted], status: 401 },
      });
      expect([registry.count("upload.post"), registry.count("token")]).toEqual([1, 0]);
    });

    it.each([401, 403])("and are given without a word: the %i that follows names the scope asked for", async (code) => {
      guard();
      give();
      registry.reset();
      const denied: Fault = (exchange) => {
        const known = exchange.request.headers.authorization !== undefined;
        return fault.status(known ? code : 401, known && code === 403 ? {} : challenge())(exchange);
      };
      registry.on("upload.post", denied);
      give();
      const to = open("push", connect({ ...alice, source: "/home/me/config.json" }));
      await expect(to.push(image.configDescriptor, bytesSource(image.config))).rejects.toMatchObject({
        kind: "unauthorised",
        message: expect.stringContaining(wanted),
        hint: expect.stringContaining("the account in /home/me/config.json may not do this"),
      });
      expect(registry.count("upload.post")).toBe(2);
    });

    it("say to log in when nobody is", async () => {
      registry.on("upload.post", fault.status(401, challenge()));
      give();
      const to = open("push", connect(undefined));
      await expect(to.push(image.configDescriptor, bytesSource(image.config))).rejects.toMatchObject({
        message: expect.stringContaining(`; the token lacks ${wanted}`),
        hint: expect.stringContaining(`wasme login ${registry.host}`),
      });
    });

    it("end after two requests when the registry never stops asking, also with a token that had worked", async () => {
      guard();
      give();
      const from = open("pull");
      await from.resolve("v1");
      registry.reset();
      registry.on("manifest.get", fault.status(401, challenge(',error="invalid_token"')));
      give();
      await expect(from.fetchManifest("v1")).rejects.toMatchObject({ code: "REGISTRY_UNAUTHORISED" });
      expect([registry.count("manifest.get"), registry.count("token")]).toEqual([2, 1]);
    });
  });

  it("end after two requests each for many at once", async () => {
    guard();
    give();
    const from = open("pull");
    await from.resolve("v1");
    registry.reset();
    registry.on("manifest.get", fault.status(401, challenge(',error="invalid_token"')));
    give();
    const all = await Promise.allSettled(Array.from({ length: 5 }, () => from.fetchManifest("v1")));
    expect(all.map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => "rejected"));
    expect([registry.count("manifest.get"), registry.count("token")]).toEqual([10, 1]);
  });

  it("follow Basic where a part of the registry asks for them", async () => {
    registry.on("manifest.head", fault.status(401, { "www-authenticate": 'Basic realm="r"' }), 1);
    const from = open("pull");
    await from.resolve("v1");
    registry.reset();
    guard();
    give();
    expect(await from.resolve("v1")).toBeUndefined();
    expect(registry.requests.map(({ kind }) => kind)).toEqual(["manifest.head", "token", "manifest.head"]);
  });

  describe("that are refused", () => {
    it("name whose credentials they are, and are never replaced by anonymous ones", async () => {
      guard();
      const strict: Fault = (exchange) => {
        const anonymous = exchange.request.headers.authorization === undefined;
        if (anonymous) good.add("anonymous");
        const body = anonymous ? '{"token":"anonymous"}' : '{"details":"incorrect username\\n or password"}';
        exchange.response.writeHead(anonymous ? 200 : 401).end(body);
      };
      registry.on("token", strict);
      const source = "/home/me/.docker/config.json";
      await expect(open("pull", connect({ ...alice, source })).fetchManifest("v1")).rejects.toMatchObject({
        kind: "unauthorised",
        code: "LOGIN_REFUSED",
        message: `${registry.host} refused the credentials in ${source} (401: incorrect username or password)`,
        hint: expect.stringContaining(`wasme logout ${registry.host}`),
      });
      expect(registry.requests.map(({ kind }) => kind)).toEqual(["manifest.get", "token"]);
      expect(await open("pull", connect(undefined)).fetchManifest("v1")).toBeUndefined();
    });

    it.each([
      ["an OAuth error", '{"error":"invalid_grant","error_description":"it has expired"}', "401: it has expired"],
      ["a registry's error", '{"errors":[{"code":"UNAUTHORIZED","message":"no such user"}]}', "401: no such user"],
      ["a message", '{"message":"Bearer abcdefghijkl is wrong"}', "401: Bearer *** is wrong"],
      ["a page", "<html>401</html>", "(401)"],
    ])("tell %s", async (_name, body, told) => {
      guard();
      registry.on("token", ({ response }) => void response.writeHead(401).end(body));
      await expect(open().fetchManifest("v1")).rejects.toThrow(told);
    });

    it("tell for what, when the token server says that it may not be", async () => {
      guard();
      registry.on("token", ({ response }) => void response.writeHead(403).end('{"message":"no robots"}'));
      await expect(open("pull").fetchManifest("v1")).rejects.toMatchObject({
        code: "LOGIN_REFUSED",
        message: expect.stringMatching(/\(403: no robots\); asked for repository:demo\/filter:pull$/u),
      });
    });

    it("tell a token server that gives none", async () => {
      guard();
      registry.on("token", fault.status(404));
      await expect(open().fetchManifest("v1")).rejects.toMatchObject({
        kind: "failed",
        code: "TOKEN_REFUSED",
        message: `${registry.host} gave no token for ${registry.host} (404)`,
      });
    });
  });

  it("are asked for at the place the base of the API names when a refusal does not say", async () => {
    give();
    const silent: Fault = (exchange) => {
      const { authorization } = exchange.request.headers;
      return authorization === undefined ? fault.status(401)(exchange) : pass(exchange);
    };
    registry.on("manifest.get", silent);
    registry.on("ping", fault.status(401, challenge()));
    const from = open("pull");
    expect(await from.fetchManifest("v1")).toBeUndefined();
    expect(await from.fetchManifest("v1")).toBeUndefined();
    expect(registry.requests.map(({ kind }) => kind)).toEqual([
      "manifest.get",
      "ping",
      "token",
      "manifest.get",
      "manifest.get",
    ]);
  });

  it("give way to Basic where a part of the registry asks for it", async () => {
    guard();
    give();
    const from = open("pull");
    await from.resolve("v1");
    registry.reset();
    const basicOnly: Fault = (exchange) => {
      const basic = exchange.request.headers.authorization?.startsWith("Basic ") === true;
      return basic ? pass(exchange) : fault.status(401, { "www-authenticate": 'Basic realm="r"' })(exchange);
    };
    registry.on("manifest.get", basicOnly);
    expect(await from.fetchManifest("v1")).toBeUndefined();
    expect(registry.count("manifest.get")).toBe(2);
  });

  it("are waited for within the time of the request that needs them", async () => {
    registry.on("manifest.get", fault.status(503, { "retry-after": "9" }), 1);
    guard();
    registry.on("token", fault.status(503, { "retry-after": "9" }));
    await expect(open("pull").fetchManifest("v1")).rejects.toMatchObject({
      code: "REGISTRY_BUSY",
      message: expect.stringContaining("it asks to wait 9 s, the retry budget is 15 s"),
    });
    expect(clock.waits).toEqual([9000]);
  });

  it("show the warnings of the token server and of each answer to a push once", async () => {
    const to = open();
    guard();
    give({}, { warning: '299 - "this server closes in March"' });
    await to.resolve("v1");
    clock.advance(60_000);
    registry.reset();
    give({}, { warning: '299 - "this server closes in March"' });
    registry.on(["manifest.put", "upload.post"], fault.headers({ warning: '299 - "nearly full", 299 - "really"' }));
    await pushTestImage(to, image);
    const shown = events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
    expect(shown).toEqual(
      ["this server closes in March", "nearly full", "really"].map((text) => `${registry.host} says: ${text}`),
    );
  });
});
