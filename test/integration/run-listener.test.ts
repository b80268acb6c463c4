import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { connect as connectHttp2, constants, createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, connect, createServer as createNetServer, type Server } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { BodyBuffer } from "../../src/host/body-buffer.ts";
import { openUpstream } from "../../src/sandbox/run/open-upstream.ts";
import type { Upstream } from "../../src/sandbox/run/http-side.ts";
import { rawExchange } from "../support/raw-exchange.ts";
import { fetchOnce } from "../support/run-filter.ts";
import { localEngine, passThrough, startTestProxy } from "../support/run-proxy.ts";

/** An upstream over a real socket. */
async function serve(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<Upstream> {
  const server = createServer(handle).listen(0, "127.0.0.1");
  return await listening(server, "http");
}

/** An upstream that keeps its first answer back until it is let go. */
async function keeping(): Promise<{ upstream: Upstream; asked: () => Promise<void>; letGo: () => void }> {
  let kept: ServerResponse | undefined;
  const upstream = await serve((_, response) => {
    if (kept === undefined) kept = response;
    else response.end();
  });
  return {
    upstream,
    asked: async () => await expect.poll(() => kept !== undefined).toBe(true),
    letGo: () => void kept?.end(),
  };
}

async function listening(server: Server, scheme: string): Promise<Upstream> {
  await once(server, "listening");
  const { upstream } = openUpstream(`${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(() => {
    upstream.close();
    if ("closeAllConnections" in server) (server as unknown as { closeAllConnections(): void }).closeAllConnections();
    server.close();
  });
  return upstream;
}

test("tells HTTP/2 from HTTP/1.1 by the preface, however it arrives", async () => {
  const { url, port } = await startTestProxy();
  expect(await fetchOnce(`${url}/one`)).toMatchObject({ status: 200 });
  const pieces = await rawExchange(port, "GE", "T /two HTTP/1.1\r\nhost: x\r\nconnec", "tion: close\r\n\r\n");
  expect(pieces).toContain('"path": "/two"');
  // As far as the preface goes, and then something else.
  expect(await rawExchange(port, "PRI * HT", "TP/9.9\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /u);
  const session = connectHttp2(url);
  onTestFinished(() => session.destroy());
  const stream = session.request({ ":path": "/three" });
  let body = "";
  stream.setEncoding("utf8").on("data", (text: string) => (body += text));
  await once(stream, "end");
  expect(JSON.parse(body)).toMatchObject({ path: "/three", headers: { ":scheme": "http" } });
});

test("header bytes come through as they are, in both protocols and directions", async () => {
  const value = Buffer.from("Käse ✓").toString("latin1");
  const upstream = await serve((call, response) => {
    response.writeHead(200, ["x-back", call.headers["x-there"] ?? "", "set-cookie", "a=1", "set-cookie", "b=2"]).end();
  });
  const { url, port } = await startTestProxy({ upstream });
  const text = await rawExchange(port, `GET / HTTP/1.1\r\nhost: x\r\nX-There: ${value}\r\nconnection: close\r\n\r\n`);
  expect(text).toContain(`x-back: ${value}\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n`);
  const session = connectHttp2(url);
  onTestFinished(() => session.destroy());
  const stream = session.request({ "x-there": value, cookie: ["a=1", "b=2"] });
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
  expect(headers).toMatchObject({ "x-back": value, "set-cookie": ["a=1", "b=2"] });
});

test("bodies and trailers go through in pieces, both ways, over HTTP/1.1 and HTTP/2", async () => {
  const h2 = createHttp2Server();
  h2.on("stream", (stream) => {
    stream.respond({ ":status": 200, "content-type": "text/plain" }, { waitForTrailers: true });
    let sum = "none";
    stream.on("trailers", (headers) => (sum = String(headers["x-sum"])));
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": `${sum} back` }));
    stream.on("data", (piece: Buffer) => stream.write(piece)).on("end", () => stream.end());
  });
  h2.listen(0, "127.0.0.1");
  const { url, access } = await startTestProxy({ upstream: await listening(h2, "h2c") });
  const session = connectHttp2(url);
  onTestFinished(() => session.destroy());
  const call = session.request({ ":method": "POST" }, { waitForTrailers: true });
  call.on("wantTrailers", () => call.sendTrailers({ "x-sum": "11" }));
  let got = "";
  call.setEncoding("utf8").on("data", (text: string) => (got += text));
  const trailers = once(call, "trailers");
  let wanted = "";
  // Each piece is back before the next one leaves.
  for (const piece of ["one", "two", "three"]) {
    call.write(piece);
    wanted += piece;
    await expect.poll(() => got, { interval: 1 }).toBe(wanted);
  }
  call.end();
  const [back] = (await trailers) as [Record<string, unknown>];
  expect(back).toMatchObject({ "x-sum": "11 back" });
  await expect.poll(() => access.at(-1)).toMatchObject({ status: 200, bytesIn: 11, bytesOut: 11 });
});

test("trailers of HTTP/1.1 are dropped both ways, as Envoy does by default; bodies are not", async () => {
  const upstream = await serve((call, response) => {
    response.writeHead(200, { trailer: "x-sum" });
    call.on("data", (piece: Buffer) => response.write(piece));
    call.on("end", () => {
      response.addTrailers({ "x-sum": "4" });
      response.end(JSON.stringify(call.trailers));
    });
  });
  const { url } = await startTestProxy({ upstream });
  const call = request(url, { agent: false, method: "POST", headers: { trailer: "x-there" } });
  call.write("body");
  call.addTrailers({ "x-there": "1" });
  call.end();
  const [response] = (await once(call, "response")) as [IncomingMessage];
  let body = "";
  response.setEncoding("utf8").on("data", (text: string) => (body += text));
  await once(response, "end");
  expect({ body, trailers: response.trailers }).toEqual({ body: "body{}", trailers: {} });
});

test("an answer to half a request ends the connection and says so; other answers leave it open", async () => {
  const { port } = await startTestProxy({
    filters: [
      passThrough((callbacks) => ({
        decodeHeaders: () => {
          callbacks().sendLocalReply({ status: 403, body: new Uint8Array(), headers: [], grpcStatus: -1, details: "" });
          return "stop-iteration";
        },
      })),
    ],
  });
  const half = await rawExchange(port, "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab");
  expect(half).toMatch(/^HTTP\/1\.1 403 /u);
  expect(half.toLowerCase()).toContain("\r\nconnection: close\r\n");
  const twice = await rawExchange(
    port,
    "GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
  );
  expect(twice.match(/HTTP\/1\.1 403 /gu)).toHaveLength(2);
  expect(twice.toLowerCase().match(/keep-alive/gu)).toBeNull();
});

test("a slow client makes the upstream wait, and a slow upstream the client", async () => {
  const size = 64 * 1024 * 1024;
  const piece = Buffer.alloc(256 * 1024, 0x61);
  let sent = 0;
  const upstream = await serve((_call, response) => {
    const more = (): void => {
      while (sent < size) {
        sent += piece.length;
        if (!response.write(piece)) return void response.once("drain", more);
      }
      response.end();
    };
    more();
  });
  const { port } = await startTestProxy({ upstream });
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.pause();
  socket.write("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  let before = -1;
  await expect.poll(() => sent).toBeGreaterThan(0);
  while (sent !== before) {
    before = sent;
    await delay(200);
  }
  expect(sent).toBeGreaterThan(0);
  expect(sent).toBeLessThan(size / 2);
  let got = 0;
  socket.on("data", (bytes) => (got += bytes.length)).resume();
  await once(socket, "close");
  expect(got).toBeGreaterThan(size);
});

test("a client that leaves ends the request at the upstream, and the log says so", async () => {
  const left = new Promise<void>((resolve) => {
    void serve((_call, response) => {
      response.write("first");
      response.on("close", () => resolve());
    }).then(async (upstream) => {
      const { url, access } = await startTestProxy({ upstream });
      const call = request(url, { agent: false });
      call.on("error", () => undefined).end();
      const [response] = (await once(call, "response")) as [IncomingMessage];
      await once(response.resume(), "data");
      call.destroy();
      await expect.poll(() => access.at(-1)).toMatchObject({ clientGone: true, flags: "DC" });
    });
  });
  await left;
});

test("refused and broken upstreams become 503, a late one 504, as Envoy has it", async () => {
  const closed = openUpstream("http://127.0.0.1:1").upstream;
  const refused = await startTestProxy({ upstream: closed });
  expect(await fetchOnce(refused.url)).toMatchObject({ status: 503 });
  expect(refused.access.at(-1)?.flags).toBe("UF");
  const breaks = await startTestProxy({ upstream: await serve((call) => void call.socket.destroy()) });
  expect(await fetchOnce(breaks.url)).toMatchObject({ status: 503 });
  expect(breaks.access.at(-1)?.flags).toBe("UC");
  const late = await startTestProxy({ upstream: await serve(() => undefined), timeoutMs: 50 });
  expect(await fetchOnce(late.url)).toMatchObject({ status: 504, body: "upstream request timeout" });
  // More than a timer of Node takes, which would ring at once.
  const slow = await serve((_, response) => void setTimeout(() => response.end("in time"), 30));
  const patient = await startTestProxy({ upstream: slow, timeoutMs: 9999 * 3_600_000 });
  expect(await fetchOnce(patient.url)).toMatchObject({ status: 200, body: "in time" });
  expect(late.access.at(-1)?.flags).toBe("UT");
});

test("an idle connection the upstream just closed costs no request", async () => {
  let connections = 0;
  // Each connection answers once, and breaks when it is used again.
  const server = createNetServer((socket) => {
    connections += 1;
    let requests = 0;
    socket.on("error", () => undefined);
    socket.on("data", () => {
      requests += 1;
      if (requests === 1) socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
      else socket.resetAndDestroy();
    });
  }).listen(0, "127.0.0.1");
  const { url } = await startTestProxy({ upstream: await listening(server, "http") });
  for (let round = 0; round < 5; round += 1) expect(await fetchOnce(url)).toMatchObject({ status: 200 });
  expect(connections).toBe(5);
});

test("HEAD, 204, 100-continue, keep-alive, absolute targets, HTTP/1.0 and upgrades", async () => {
  const { url, port, access } = await startTestProxy();
  expect(await fetchOnce(url, { method: "HEAD" })).toMatchObject({ status: 200, body: "" });
  expect(await fetchOnce(`${url}/status/204`)).toMatchObject({ status: 204, body: "" });
  const expects =
    "POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\nconnection: close\r\n\r\n";
  expect(await rawExchange(port, expects, "abc")).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/u);
  const absolute = await rawExchange(port, "GET http://other/p?q HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  expect(absolute).toContain('":authority": "other"');
  expect(absolute).toContain('"path": "/p?q"');
  expect(await rawExchange(port, "GET / HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.1 426 /u);
  const upgrade = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n";
  expect(await rawExchange(port, upgrade)).toMatch(/^HTTP\/1\.1 403 /u);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const before = access.length;
  for (let round = 0; round < 3; round += 1) {
    const call = request(url, { agent }).end();
    const [response] = (await once(call, "response")) as [IncomingMessage];
    await once(response.resume(), "end");
    expect(call.reusedSocket).toBe(round > 0);
  }
  await expect.poll(() => access.length).toBe(before + 3);
});

test("a body that is not as long as its headers say never runs into the next response", async () => {
  const change = (text: string): ReturnType<typeof passThrough> =>
    passThrough(() => ({
      encodeHeaders: (headers) => {
        headers.set("content-length", "5");
        return "continue";
      },
      encodeData: (data: BodyBuffer, end) => {
        data.drain(data.length);
        if (end) data.append(Buffer.from(text));
        return "continue";
      },
    }));
  const upstream = await serve((_call, response) => response.end("hello"));
  const bodyOf = async (text: string): Promise<string> => {
    const { port } = await startTestProxy({ upstream, filters: [change(text)] });
    const answer = await rawExchange(port, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    return answer.split("\r\n\r\n")[1] ?? "";
  };
  expect(await bodyOf("longer than five")).toBe("longe");
  // What is too short breaks off, maybe before anything of it has left.
  expect("shor".startsWith(await bodyOf("shor"))).toBe(true);
});

test("requests that are large, many and at once all come back whole", async () => {
  const { url } = await startTestProxy();
  const session = connectHttp2(url, {
    settings: { initialWindowSize: constants.DEFAULT_SETTINGS_INITIAL_WINDOW_SIZE },
  });
  onTestFinished(() => session.destroy());
  const sizes = Array.from({ length: 60 }, (_, at) => (at * 7919) % 200_000);
  const echoed = await Promise.all(
    sizes.map(async (size, at) => {
      const body = Buffer.alloc(size, at);
      const stream = session.request({ ":method": "POST", ":path": "/echo" });
      stream.end(body);
      const pieces: Buffer[] = [];
      stream.on("data", (piece: Buffer) => pieces.push(piece));
      await once(stream, "end");
      return Buffer.concat(pieces).equals(body);
    }),
  );
  expect(echoed.filter((same) => !same)).toEqual([]);
});

test("another engine takes over between requests: those under way end where they began", async () => {
  const answer = (name: string): ReturnType<typeof passThrough> =>
    passThrough(() => ({
      encodeHeaders: (headers) => {
        headers.set("x-engine", name);
        return "continue";
      },
    }));
  const { upstream, asked, letGo } = await keeping();
  const { url, proxy } = await startTestProxy({ filters: [answer("old")], upstream });
  const slow = fetchOnce(url);
  await asked();
  const next = localEngine([answer("new")]);
  proxy.use(next);
  expect(await fetchOnce(url)).toMatchObject({ headers: { "x-engine": "new" } });
  letGo();
  expect(await slow).toMatchObject({ status: 200, headers: { "x-engine": "old" } });
});

test("an engine that ends is replaced: open requests get 503, the next one an answer", async () => {
  let hanging = false;
  const hang = passThrough(() => ({
    decodeHeaders: () => {
      hanging = true;
      return "stop-iteration";
    },
  }));
  const { url, engine, access } = await startTestProxy({ filters: [hang] });
  const open = fetchOnce(url);
  await expect.poll(() => hanging).toBe(true);
  engine.die();
  expect(await open).toMatchObject({ status: 503 });
  expect(access.at(-1)?.details).toBe("wasm_fail_stream{stuck}");
});

test("closing lets a request under way end and takes no new ones", async () => {
  const { upstream, asked, letGo } = await keeping();
  const proxy = await startTestProxy({ upstream });
  const { url } = proxy;
  const slow = fetchOnce(url);
  await asked();
  const closing = proxy.close(60_000);
  letGo();
  expect(await slow).toMatchObject({ status: 200 });
  await closing;
  expect(await fetchOnce(url)).toMatchObject({ status: 0 });
});
