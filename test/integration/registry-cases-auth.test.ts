import { describe, expect, it } from "vitest";
import type { Credential } from "../../src/registry/credential.ts";
import { failure } from "../support/failure.ts";
import type { AuthScript } from "../support/fault-auth.ts";
import { type Bench, openBench } from "../support/fault-bench.ts";
import { type TestImage, testImage } from "../support/fault-image.ts";
import * as fault from "../support/fault-kinds.ts";

/** How a client must prove itself, and how long it must wait; numbered after the list of cases it is judged by. */

const image: TestImage = testImage(100_000, "cases");
const account = { username: "alice", password: "s3cret" };
const basic: AuthScript = { kind: "basic", ...account };
const bearer: AuthScript = { kind: "bearer", ...account };

/** The challenge of the bearer gate, with other words in it. */
function challenge({ registry }: Bench, scope: string, error = ""): { readonly "www-authenticate": string } {
  const more = error === "" ? "" : `,error="${error}"`;
  return { "www-authenticate": `Bearer realm="${registry.url}/token",service="test",scope="${scope}"${more}` };
}

/** Scopes of each request for a token, in order. */
function askedScopes({ registry }: Bench): readonly (readonly string[])[] {
  const tokens = registry.requests.filter(({ kind }) => kind === "token");
  return tokens.map(({ path }) => new URL(path, registry.url).searchParams.getAll("scope"));
}

it("11. a token that expires between POST and PUT: one refresh, the same bytes again", async () => {
  const bench = await openBench({ auth: bearer });
  const expired = challenge(bench, "repository:demo/filter:pull,push", "invalid_token");
  const module = image.moduleDescriptor.digest;
  bench.registry.on(({ kind, path }) => kind === "upload.put" && path.includes(module), fault.status(401, expired), 1);
  await bench.push(image);
  expect(bench.has("registry", image)).toBe(true);
  const puts = bench.registry.requests.filter(({ kind, path }) => kind === "upload.put" && path.includes(module));
  expect(puts).toHaveLength(2);
  expect(puts[1]?.bodyDigest).toBe(module);
  expect(puts[0]?.path).toBe(puts[1]?.path);
  expect(puts[0]?.authorization).not.toBe(puts[1]?.authorization);
  expect(bench.registry.count("token")).toBe(2);
});

it("12. a challenge that asks another scope: both are asked for, once", async () => {
  const bench = await openBench({ auth: { ...bearer, extraScope: "repository:base/image:pull" } });
  await bench.push(image);
  expect(bench.has("registry", image)).toBe(true);
  expect(askedScopes(bench)).toEqual([["repository:base/image:pull", "repository:demo/filter:pull,push"]]);
});

it("12. insufficient_scope: the scopes are merged, tried once more, and no more", async () => {
  const bench = await openBench({ auth: bearer });
  await bench.publish(image);
  const more = challenge(bench, "repository:base/image:pull", "insufficient_scope");
  bench.registry.on(
    ({ kind, authorization }) => kind === "manifest.get" && authorization !== undefined,
    fault.status(401, more),
  );
  const error = await failure(bench.pull());
  expect(error).toMatchObject({ kind: "unauthorised", hint: expect.stringContaining("wasme login") });
  expect(askedScopes(bench)).toEqual([
    ["repository:demo/filter:pull"],
    ["repository:base/image:pull", "repository:demo/filter:pull"],
  ]);
  expect(bench.registry.count("manifest.get")).toBe(3);
});

it.each([404, 405])("13. a POST for a token answered %i: asked by GET", async (postStatus) => {
  const credential: Credential = { kind: "identity-token", username: "", token: "refresh-me" };
  const bench = await openBench({ auth: { ...bearer, refreshToken: "refresh-me", postStatus }, credential });
  await bench.publish(image);
  await bench.pull();
  expect(bench.has("local", image)).toBe(true);
  const tokens = bench.registry.requests.filter(({ kind }) => kind === "token");
  expect(tokens.map(({ method }) => method)).toEqual(["POST", "GET"]);
  expect(tokens.every(({ path }) => !path.includes("refresh-me"))).toBe(true);
});

it.each([
  ["Basic", basic, 'Negotiate, Basic realm="a, b"', /^Basic /u],
  ["Basic, in lower case behind a token68", basic, 'negotiate YWJj==, basic realm="x"', /^Basic /u],
  ["Bearer", bearer, undefined, /^Bearer /u],
])("14. two challenges, Negotiate first: %s is picked", async (_scheme, auth, header, sent) => {
  const bench = await openBench({ auth });
  await bench.publish(image);
  if (header !== undefined) bench.registry.on("manifest.get", fault.status(401, { "www-authenticate": header }), 1);
  await bench.pull();
  expect(bench.has("local", image)).toBe(true);
  expect(bench.registry.requests.at(-1)?.authorization).toMatch(sent);
});

describe("15. a busy registry", () => {
  it.each([
    ["429", "seconds", 429, () => "2"],
    ["429", "a date", 429, (now: number) => new Date(now + 3000).toUTCString()],
    ["503", "seconds", 503, () => "2"],
    ["503", "a date", 503, (now: number) => new Date(now + 3000).toUTCString()],
  ] as const)("%s with %s: waited for, within the budget", async (_status, _form, status, after) => {
    const bench = await openBench();
    await bench.publish(image);
    bench.registry.on("manifest.get", fault.status(status, { "retry-after": after(bench.clock.now()) }), 1);
    await bench.pull();
    expect(bench.has("local", image)).toBe(true);
    expect(bench.clock.waits).toHaveLength(1);
    expect(Math.min(...bench.clock.waits)).toBeGreaterThan(900);
    expect(Math.max(...bench.clock.waits)).toBeLessThanOrEqual(3000);
  });

  it.each([
    ["seconds", () => "3600", "3600 s"],
    ["absurd seconds", () => "99999999999999999999", " s"],
    ["a date in a year", (now: number) => new Date(now + 31_536_000_000).toUTCString(), "31536000 s"],
  ])("asks for more than the budget by %s: given up at once, the time said", async (_form, after, said) => {
    const bench = await openBench();
    await bench.publish(image);
    const now = Math.floor(bench.clock.now() / 1000) * 1000;
    bench.registry.on("manifest.get", fault.status(429, { "retry-after": after(now) }));
    const error = await failure(bench.pull());
    expect(error).toMatchObject({ code: "REGISTRY_BUSY", kind: "unreachable" });
    expect(error.message.replace(/3153599\d s/u, "31536000 s")).toContain(said);
    expect(error.hint).toContain("--retry-budget");
    expect(bench.clock.waits).toEqual([]);
    expect(bench.registry.count("manifest.get")).toBe(1);
    expect(bench.inspect()).toEqual({ names: [], faults: [] });
  });

  it("asks twice for what would fit once: given up when it does not fit any more, the time said", async () => {
    const bench = await openBench();
    await bench.publish(image);
    bench.registry.on("manifest.get", fault.status(503, { "retry-after": "9" }));
    const error = await failure(bench.pull());
    expect(error.message).toContain("9 s");
    expect(bench.clock.waits.reduce((sum, wait) => sum + wait, 0)).toBeLessThanOrEqual(15_000);
    expect(bench.registry.count("manifest.get")).toBe(2);
  });

  it.each([0, 300, 1000])("a retry budget of %i ms: not a millisecond more", async (retryBudgetMs) => {
    const bench = await openBench({ client: { retryBudgetMs } });
    await bench.publish(image);
    bench.registry.on("manifest.get", fault.status(503));
    expect(await failure(bench.pull())).toMatchObject({ code: "REGISTRY_UNAVAILABLE" });
    expect(bench.clock.waits.reduce((sum, wait) => sum + wait, 0)).toBeLessThanOrEqual(retryBudgetMs);
    expect(bench.clock.waits).toHaveLength(retryBudgetMs === 0 ? 0 : retryBudgetMs === 300 ? 1 : 2);
  });

  it("is waited for by a push as well, and then gets everything", async () => {
    const bench = await openBench();
    const kinds = ["manifest.head", "upload.post", "upload.put", "manifest.put"] as const;
    for (const kind of kinds) bench.registry.on(kind, fault.status(429, { "retry-after": "1" }), 2);
    await bench.push(image);
    expect(bench.has("registry", image)).toBe(true);
    expect(await bench.registry.openUploads()).toEqual([]);
  });
});

it.each([
  ["Basic", basic, 'Basic realm="x"'],
  ["Bearer", bearer, undefined],
])("16. a 401 for ever (%s): two requests at most, a clear hint", async (_scheme, auth, header) => {
  const bench = await openBench({ auth });
  await bench.publish(image);
  const head =
    header === undefined
      ? challenge(bench, "repository:demo/filter:pull", "invalid_token")
      : { "www-authenticate": header };
  bench.registry.on("manifest.get", fault.status(401, head));
  const error = await failure(bench.pull());
  expect(error).toMatchObject({ kind: "unauthorised", hint: expect.stringContaining("wasme login") });
  expect(bench.registry.count("manifest.get")).toBe(2);
  expect(bench.registry.count("token")).toBeLessThanOrEqual(1);
});

it("16. a 403 DENIED: one request, what the registry says, a clear hint", async () => {
  const bench = await openBench({ auth: basic });
  await bench.publish(image);
  bench.registry.on("blob.get", fault.refuse(403, "DENIED", "quota of alice is used up"));
  const error = await failure(bench.pull());
  expect(error).toMatchObject({ code: "REGISTRY_DENIED", kind: "unauthorised", hint: expect.any(String) });
  expect(error.message).toContain("quota of alice is used up");
  expect(
    bench.registry.requests.filter(({ path }) => path.includes(image.moduleDescriptor.digest)).length,
  ).toBeLessThan(2);
  expect(bench.inspect()).toEqual({ names: [], faults: [] });
});

it.each([
  ["Basic", basic],
  ["Bearer", bearer],
])("16. wrong credentials (%s): refused, none of them shown", async (_scheme, auth) => {
  const credential: Credential = { kind: "basic", username: "alice", password: "wr0ng-secret" };
  const bench = await openBench({ auth, credential });
  await bench.publish(image);
  const error = await failure(bench.pull());
  expect(error.kind).toBe("unauthorised");
  expect(bench.registry.requests.length).toBeLessThanOrEqual(2);
  const told = JSON.stringify([error.message, error.hint, error.details, bench.events]);
  expect(told).not.toContain("wr0ng-secret");
  expect(told).not.toContain(Buffer.from("alice:wr0ng-secret").toString("base64"));
});

it("a token server on another origin gets the account, the other origin's blobs do not get its token", async () => {
  const bench = await openBench({ auth: bearer, registry: { tokensAt: "elsewhere" } });
  await bench.publish(image);
  bench.registry.on("blob.get", fault.redirectElsewhere());
  await bench.pull();
  expect(bench.has("local", image)).toBe(true);
  const away = bench.registry.requests.filter(({ origin }) => origin === "elsewhere");
  const told = away.map(({ kind, authorization = "" }) => `${kind} ${authorization.split(" ", 1)[0] ?? ""}`);
  expect(told).toEqual(["token Basic", "blob.get ", "blob.get "]);
});
