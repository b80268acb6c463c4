import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect, type Server } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { openUpstream } from "../../src/sandbox/run/open-upstream.ts";
import type { Upstream } from "../../src/sandbox/run/http-side.ts";
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
  const socket = connect(port, "127.0.0.1");
  let got = "";
  socket.setEncoding("latin1").on("data", (text: string) => (got += text));
  socket.write(
    "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
  );
  await once(socket, "close");
  return got;
}
