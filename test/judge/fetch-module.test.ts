import { createHash } from "node:crypto";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { tarOf } from "../support/archives.ts";
import { handClock } from "./clock.ts";
import { fetchModule, type FetchOutcome } from "./fetch-module.ts";
import type { Resolve } from "./http-get.ts";
import { type ScriptedServer, scriptedServer, type Turn } from "./scripted-server.ts";

const MODULE = Buffer.concat([Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]), Buffer.alloc(3000, 7)]);
const SHA256 = createHash("sha256").update(MODULE).digest("hex");

const good: Turn = (response) => void response.end(MODULE);
const body =
  (bytes: Uint8Array, headers: Readonly<Record<string, string>> = {}): Turn =>
  (response) =>
    void response.writeHead(200, headers).end(bytes);
const status =
  (code: number): Turn =>
  (response) =>
    void response.writeHead(code, { "retry-after": "1" }).end("no");
const reset: Turn = (response) => void response.destroy();
const cut: Turn = (response) => {
  response.writeHead(200, { "content-length": MODULE.length });
  response.write(MODULE.subarray(0, 1000), () => response.destroy());
};
const silent: Turn = (_response, clock) => clock.advance(15_000);
const after =
  (ms: number): Turn =>
  (response, clock) => {
    clock.advance(ms);
    response.end(MODULE);
  };
const dripped: Turn = (response, clock) => {
  for (let second = 0; second < 12; second += 1) {
    response.write(MODULE.subarray(second * 200, (second + 1) * 200));
    clock.advance(1000);
  }
  response.end(MODULE.subarray(2400));
};
const times = (count: number, turn: Turn): readonly Turn[] => Array.from({ length: count }, () => turn);

interface Row {
  readonly does: string;
  readonly turns: readonly Turn[];
  readonly result: "ok" | RegExp;
  readonly requests?: number;
  /** Seconds of the agent's time, without jitter. */
  readonly seconds?: number;
}

const rows: readonly Row[] = [
  { does: "200", turns: [good], result: "ok", requests: 1, seconds: 0 },
  { does: "gzip as encoding", turns: [body(gzipSync(MODULE), { "content-encoding": "gzip" })], result: "ok" },
  { does: "a gzip file without header", turns: [body(gzipSync(MODULE))], result: "ok" },
  { does: "a tar.gz file", turns: [body(gzipSync(tarOf([{ name: "a.wasm", content: MODULE }])))], result: "ok" },
  {
    does: "br",
    turns: [body(brotliCompressSync(MODULE), { "content-encoding": "br" })],
    result: /does not match/u,
    requests: 1,
  },
  { does: "404", turns: [status(404), good], result: /^status 404 after 1 try$/u, requests: 1, seconds: 0 },
  { does: "429", turns: [status(429), good], result: /^status 429/u, requests: 1, seconds: 0 },
  { does: "403", turns: [status(403), good], result: /^status 403/u, requests: 1 },
  { does: "206", turns: [status(206), good], result: /^status 206/u, requests: 1 },
  { does: "501", turns: [status(501), good], result: /^status 501/u, requests: 1 },
  { does: "a body cut short once", turns: [cut, good], result: /aborted|EOF|socket hang up/u, requests: 1 },
  { does: "a reset before the header, once", turns: [reset, good], result: "ok", requests: 2, seconds: 0.5 },
  { does: "503 twice", turns: [...times(2, status(503)), good], result: "ok", requests: 3, seconds: 1.25 },
  { does: "503 four times", turns: [...times(4, status(503)), good], result: "ok", requests: 5, seconds: 4.0625 },
  { does: "503 five times", turns: [...times(5, status(503)), good], result: /after 5 tries/u, requests: 5 },
  { does: "500 once", turns: [status(500), good], result: "ok", requests: 2 },
  { does: "first byte after 8 s", turns: [after(8000)], result: "ok", requests: 1, seconds: 8 },
  { does: "first byte after 10 s", turns: [after(10_000)], result: "ok", requests: 1, seconds: 10 },
  { does: "a body dripped over 12 s", turns: [dripped], result: "ok", requests: 1, seconds: 12 },
  { does: "silence, then quick", turns: [silent, good], result: "ok", requests: 2, seconds: 15.5 },
  { does: "silence for ever", turns: [silent], result: /after 2 tries$/u, requests: 2 },
  { does: "other bytes", turns: [body(Buffer.from(MODULE).fill(9, 20))], result: /does not match/u, requests: 1 },
];

describe("the judge's agent over http", () => {
  let server: ScriptedServer | undefined;
  afterEach(() => server?.close());

  const fetch = async (
    turns: readonly Turn[],
    options: { readonly sha256?: string | undefined; readonly resolve?: (ms: number) => ReturnType<Resolve> } = {},
  ): Promise<FetchOutcome & { readonly seconds: number }> => {
    const clock = handClock();
    server = await scriptedServer(clock, turns);
    const place = { host: "127.0.0.1", port: server.port };
    const outcome = await fetchModule(
      {
        clock,
        random: () => 0.5,
        resolve: () => (options.resolve === undefined ? place : options.resolve(clock.now()) && place),
        gone: new AbortController().signal,
      },
      { url: "http://wasme-cache.wasme/x", sha256: "sha256" in options ? options.sha256 : SHA256, timeoutMs: 30_000 },
    );
    return { ...outcome, seconds: clock.now() / 1000 };
  };

  it.each(rows)("$does", async ({ turns, result, requests, seconds }) => {
    const outcome = await fetch(turns);
    const { ok, reason = "" } = { reason: undefined, ...outcome };
    expect({ ok, reason: result === "ok" ? "ok" : reason }).toEqual({
      ok: result === "ok",
      reason: expect.stringMatching(result) as string,
    });
    expect([requests ?? server?.count(), seconds ?? outcome.seconds]).toEqual([server?.count(), outcome.seconds]);
  });

  it.each([
    [1, true],
    [2, true],
    [3, true],
    [5, false],
    [7, false],
  ])("connection refused for %i s: %s", async (refusedFor, ok) => {
    const open = { host: "", port: 0 };
    const outcome = await fetch([good], { resolve: (ms) => (ms < refusedFor * 1000 ? undefined : open) });
    expect(outcome.ok).toBe(ok);
  });

  it("follows a redirect", async () => {
    const turns: readonly Turn[] = [(response) => void response.writeHead(307, { location: "/y" }).end(), good];
    expect(await fetch(turns)).toMatchObject({ ok: true });
  });

  it("takes any module without a checksum, and nothing that is no module", async () => {
    expect(await fetch([good], { sha256: undefined })).toMatchObject({ ok: true });
    expect(await fetch([body(Buffer.from("<html>"))], { sha256: undefined })).toMatchObject({
      ok: false,
      reason: "what came is no module",
    });
  });

  it("gives up after the time of the whole fetch", async () => {
    const clock = handClock();
    server = await scriptedServer(clock, [silent]);
    const { port } = server;
    const outcome = await fetchModule(
      { clock, random: () => 0.5, resolve: () => ({ host: "127.0.0.1", port }), gone: new AbortController().signal },
      { url: "http://wasme-cache.wasme/x", sha256: SHA256, timeoutMs: 5000 },
    );
    expect(outcome).toMatchObject({ ok: false, attempts: 1 });
  });
});
