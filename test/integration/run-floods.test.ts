import { readFileSync } from "node:fs";
import { connect } from "node:http2";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { flood, frame, GET_ROOT, literal } from "../support/h2-frames.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { fetchOnce, type RunningCli, startRun } from "../support/run-filter.ts";

const [HEADERS, RST, SETTINGS, PING, WINDOW, CONTINUATION, DATA, PRIORITY] = [1, 3, 4, 6, 8, 9, 0, 2] as const;
const [END_STREAM, END_HEADERS] = [1, 4] as const;

function* times(count: number, make: (at: number) => Buffer): Generator<Buffer> {
  for (let at = 0; at < count; at += 1) yield make(at);
}

const idOf = (at: number): number => 2 * at + 1;
const request = (at: number, flags: number = END_STREAM | END_HEADERS, payload: Uint8Array = GET_ROOT): Buffer =>
  frame(HEADERS, { stream: idOf(at), flags, payload });
const FOUR = Uint8Array.of(0, 0, 0, 8);
const LONG = literal("x-long", "x".repeat(16_000));

/** Frames that cost a server much and a client little; some servers of the field were brought down by each. */
const FLOODS: readonly (readonly [string, () => Iterable<Buffer>])[] = [
  [
    "requests that are taken back at once",
    () => times(20_000, (at) => Buffer.concat([request(at), frame(RST, { stream: idOf(at), payload: FOUR })])),
  ],
  ["requests by the thousand", () => times(20_000, (at) => request(at))],
  ["requests that never end", () => times(20_000, (at) => request(at, END_HEADERS))],
  ["pings", () => times(200_000, () => frame(PING, { payload: new Uint8Array(8) }))],
  ["settings", () => times(200_000, () => frame(SETTINGS))],
  [
    "settings of every kind",
    () => times(20_000, () => frame(SETTINGS, { payload: Buffer.from([0, 1, 0, 0, 0, 0].concat([0, 4, 0, 1, 0, 0])) })),
  ],
  ["priorities", () => times(200_000, (at) => frame(PRIORITY, { stream: idOf(at), payload: new Uint8Array(5) }))],
  [
    "a head without end",
    () => [
      request(0, END_STREAM),
      ...times(3000, () => frame(CONTINUATION, { stream: 1, payload: LONG.subarray(0, 16_000) })),
    ],
  ],
  [
    "a head in empty pieces without end",
    () => [request(0, END_STREAM), ...times(200_000, () => frame(CONTINUATION, { stream: 1 }))],
  ],
  [
    "heads with too many fields",
    () => {
      const fields = Buffer.concat([GET_ROOT, ...times(2000, (at) => literal(`a${at}`, "b"))]);
      return times(300, (at) => request(at, END_STREAM | END_HEADERS, fields.subarray(0, 16_000)));
    },
  ],
  [
    "a field that stands for many",
    () => {
      // One entry of the dynamic table, 4,000 bytes long, and references to it of a byte each.
      const entry = Buffer.concat([Buffer.of(0x40), literal("a", "x".repeat(4000)).subarray(1)]);
      const bomb = Buffer.concat([GET_ROOT, entry, Buffer.alloc(8000, 0xbe)]);
      return times(200, (at) => request(at, END_STREAM | END_HEADERS, bomb));
    },
  ],
  ["empty pieces of a body", () => [request(0, END_HEADERS), ...times(200_000, () => frame(DATA, { stream: 1 }))]],
  [
    "windows opened byte by byte",
    () => [request(0), ...times(200_000, () => frame(WINDOW, { payload: Uint8Array.of(0, 0, 0, 1) }))],
  ],
];

let run: RunningCli;

test.for(FLOODS)("a flood of %s leaves `wasme run` serving", { timeout: 120_000 }, async ([, pieces]) => {
  run = await startRun([HELLO_WASM]);
  const port = Number(new URL(run.url).port);
  expect(await fetchOnce(run.url)).toMatchObject({ status: 200 });
  const before = residentMegabytes();
  let most = 0;
  for (const reads of [true, false]) {
    const during = async (): Promise<void> => {
      expect(await fetchOnce(run.url)).toMatchObject({ status: 200 });
      most = Math.max(most, residentMegabytes() - before);
    };
    const { sent } = await flood(port, pieces(), { reads, meanwhile: during });
    expect(sent).toBeGreaterThan(0);
  }
  expect(await fetchOnce(run.url)).toMatchObject({ status: 200, headers: { hello: "world" } });
  expect(await overHttp2(run.url)).toBe(200);
  expect(most, "MiB more than before").toBeLessThan(MOST_MEGABYTES);
  expect(run.child.exitCode).toBeNull();
  run.child.kill("SIGTERM");
  expect((await run.result).code).not.toBeNull();
});

/** Many times what each of these floods needs, and a small part of what they need where nothing bounds them. */
const MOST_MEGABYTES = 250;

function residentMegabytes(): number {
  const status = readFileSync(`/proc/${run.child.pid ?? 0}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/mu.exec(status)?.[1] ?? Number.NaN) / 1024;
}

async function overHttp2(url: string): Promise<number | undefined> {
  const session = connect(url);
  onTestFinished(() => session.destroy());
  const stream = session.request({ ":path": "/" });
  const [headers] = (await once(stream, "response")) as [{ readonly ":status"?: number }];
  stream.resume();
  session.close();
  return headers[":status"];
}
