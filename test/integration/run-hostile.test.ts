import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { openUpstream } from "../../src/sandbox/run/open-upstream.ts";
import type { Upstream } from "../../src/sandbox/run/http-side.ts";
import { rawExchange } from "../support/raw-exchange.ts";
import { fetchOnce } from "../support/run-filter.ts";
import { passThrough, startTestProxy } from "../support/run-proxy.ts";

async function upstreamAt(server: Server, scheme: string): Promise<Upstream> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { upstream } = openUpstream(`${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(() => {
    upstream.close();
    server.close();
  });
  return upstream;
}

async function http1(): Promise<Upstream> {
  const server = createServer((request, response) => {
    request.resume().on("end", () => response.end("fine"));
    request.on("error", () => undefined);
  });
  return await upstreamAt(server, "http");
}

async function http2(): Promise<Upstream> {
  const server = createHttp2Server();
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => undefined);
    stream.resume().on("end", () => {
      if (stream.destroyed) return;
      stream.respond({ ":status": 200 });
      stream.end("fine");
    });
  });
  server.on("session", (session) => onTestFinished(() => session.destroy()));
  return await upstreamAt(server, "h2c");
}

const BAD_TRAILERS: readonly (readonly [string, string])[] = [
  ["x-split", "a\r\nx-evil: 1"],
  ["bad name", "a"],
  [":path", "/other"],
  ["", "a"],
];

test.each([
  ["HTTP/1.1", http1],
  ["HTTP/2", http2],
])("trailers no %s upstream can be sent break their request and nothing else", async (_name, start) => {
  const upstream = await start();
  for (const [name, value] of BAD_TRAILERS) {
    const bad = passThrough((callbacks) => ({
      decodeData: (_data, end) => {
        if (end) callbacks().addDecodedTrailers().add(name, value);
        return "continue";
      },
    }));
    const { url, port } = await startTestProxy({ filters: [bad], upstream });
    const response = await post(port);
    expect(response).toMatch(/^HTTP\/1\.1 (?:200|503) /u);
    expect(response).not.toContain("x-evil");
    expect(await fetchOnce(`${url}/next`)).toMatchObject({ status: 200 });
  }
});

/** A request with a body, by hand: all that comes back. */
async function post(port: number): Promise<string> {
  const chunks = "1\r\na\r\n0\r\n\r\n";
  return await rawExchange(port, `POST / HTTP/1.1\r\n${HEAD}transfer-encoding: chunked\r\n\r\n${chunks}`);
}

const HEAD = "host: x\r\nconnection: close\r\n";
const fields = (count: number): string => Array.from({ length: count }, (_, at) => `a${at}: b\r\n`).join("");

test.each([
  [
    "two lengths of a body",
    `POST / HTTP/1.1\r\n${HEAD}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ["one length said twice", `POST / HTTP/1.1\r\n${HEAD}content-length: 1\r\ncontent-length: 1\r\n\r\na`, 400],
  ["a length with a sign", `POST / HTTP/1.1\r\n${HEAD}content-length: +1\r\n\r\na`, 400],
  ["another coding", `POST / HTTP/1.1\r\n${HEAD}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 501],
  ["a coding after chunked", `POST / HTTP/1.1\r\n${HEAD}transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n`, 400],
  ["a chunk of no size", `POST / HTTP/1.1\r\n${HEAD}transfer-encoding: chunked\r\n\r\nx\r\n\r\n`, 400],
  ["lines without CR", "GET / HTTP/1.1\nhost: x\nconnection: close\n\n", 400],
  ["a folded header", `GET / HTTP/1.1\r\n${HEAD}x: y\r\n z\r\n\r\n`, 400],
  ["a space before the colon", `POST / HTTP/1.1\r\n${HEAD}content-length : 1\r\n\r\na`, 400],
  ["a NUL", `GET / HTTP/1.1\r\n${HEAD}x: \0\r\n\r\n`, 400],
  ["no host", "GET / HTTP/1.1\r\nconnection: close\r\n\r\n", 400],
  ["no version", "GET /\r\n\r\n", 426],
  ["a version that is none of HTTP/1", `GET / HTTP/2.0\r\n${HEAD}\r\n`, 426],
  ["a hundred headers", `GET / HTTP/1.1\r\n${HEAD}${fields(98)}\r\n`, 200],
  ["a header more", `GET / HTTP/1.1\r\n${HEAD}${fields(99)}\r\n`, 431],
  [
    "so many headers that the body's coding gets lost",
    `POST / HTTP/1.1\r\n${HEAD}${fields(2500)}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    431,
  ],
  ["large headers", `GET / HTTP/1.1\r\n${HEAD}x: ${"a".repeat(70_000)}\r\n\r\n`, 431],
])("a request with %s is answered, and no second one is seen in it", async (_name, text, status) => {
  const { port, url, access } = await startTestProxy();
  // Node answers 400 at once to what follows a request that is the last of its connection.
  const answer = await rawExchange(port, status === 200 ? text : `${text}GET /smuggled HTTP/1.1\r\n${HEAD}\r\n`);
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `, "u"));
  expect(answer.match(/HTTP\/1\.1 \d/gu)).toHaveLength(1);
  expect(await fetchOnce(`${url}/next`)).toMatchObject({ status: 200 });
  expect(access.map(({ path }) => path)).not.toContain("/smuggled");
});
