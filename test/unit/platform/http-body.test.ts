import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { readHttpBody } from "../../../src/platform/http-body.ts";

const IDLE_MS = 1000;

let incoming: IncomingMessage;
let source: PassThrough;
let pieces: AsyncGenerator<Uint8Array>;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  incoming = new IncomingMessage(new Socket());
  source = new PassThrough();
  incoming.on("error", (error) => source.destroy(error));
  pieces = readHttpBody(incoming, { direct: source, idleMs: IDLE_MS, signal: undefined, done: () => undefined });
});
afterEach(() => {
  vi.useRealTimers();
  source.destroy();
});

/** The next piece, sent after a silence. */
async function after(ms: number, bytes: string): Promise<string> {
  const next = pieces.next();
  await vi.advanceTimersByTimeAsync(ms);
  source.write(bytes);
  return Buffer.from((await next).value as Uint8Array).toString();
}

it("takes as long as it takes when no silence is too long", async () => {
  for (const piece of ["a", "b", "c", "d"]) expect(await after(IDLE_MS - 1, piece)).toBe(piece);
  expect(incoming.destroyed).toBe(false);
});

it("ends in a time-out after a silence that is too long", async () => {
  expect(await after(IDLE_MS - 1, "a")).toBe("a");
  const failure = pieces.next().catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(IDLE_MS);
  expect(await failure).toMatchObject({ name: "HttpTimeout", phase: "body", afterMs: IDLE_MS });
});

it("does not count the time its reader takes", async () => {
  expect(await after(0, "a")).toBe("a");
  await vi.advanceTimersByTimeAsync(IDLE_MS * 5);
  expect(await after(IDLE_MS - 1, "b")).toBe("b");
  expect(incoming.destroyed).toBe(false);
});
