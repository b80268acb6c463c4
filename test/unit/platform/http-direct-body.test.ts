import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { divertBody } from "../../../src/platform/http-direct-body.ts";
import { readInLargePieces } from "../../../src/platform/http-large-reads.ts";
import { createHttpTransport, type HttpRequest, type HttpTransport } from "../../../src/platform/http-transport.ts";

const BODY: Buffer = randomBytes(5_000_000);

/** Large bodies leave the parser of `node:http` out: what a server of plain sockets sends must arrive all the same. */
describe("a large body over plain http", () => {
  let server: Server;
  let url: URL;
  let connections: Socket[];
  let answer: (socket: Socket) => void;
  let transport: HttpTransport;

  beforeEach(async () => {
    connections = [];
    server = createServer((socket) => {
      connections.push(socket);
      socket.on("error", () => undefined);
      socket.on("data", () => answer(socket));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    transport = createHttpTransport({ env: {}, idleTimeoutMs: 60_000 });
  });
  afterEach(() => {
    transport.close();
    for (const socket of connections) socket.destroy();
    server.close();
  });

  function head(length: number, more = ""): string {
    return `HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n${more}\r\n`;
  }

  async function read(more: Pick<HttpRequest, "signal" | "bodyIdleTimeoutMs"> = {}): Promise<Buffer> {
    const { body } = await transport.send({ method: "GET", url, ...more });
    const pieces: Uint8Array[] = [];
    for await (const piece of body) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  it.each([
    [
      "with the head in the same packet",
      (socket: Socket) => socket.write(Buffer.concat([Buffer.from(head(BODY.length)), BODY])),
    ],
    [
      "after the head",
      (socket: Socket) => {
        socket.write(head(BODY.length));
        setTimeout(() => socket.write(BODY), 20);
      },
    ],
    [
      "in odd pieces",
      async (socket: Socket) => {
        socket.write(head(BODY.length));
        for (let at = 0; at < BODY.length; at += 777_777) {
          socket.write(BODY.subarray(at, at + 777_777));
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      },
    ],
    [
      "with more bytes behind it",
      (socket: Socket) => socket.write(Buffer.concat([Buffer.from(head(BODY.length)), BODY, BODY])),
    ],
  ])("arrives byte for byte %s", async (_how, send) => {
    answer = send;
    expect((await read()).equals(BODY)).toBe(true);
  });

  it("is taken in pieces that stay as they are", async () => {
    answer = (socket) => socket.write(Buffer.concat([Buffer.from(head(BODY.length)), BODY]));
    const { body } = await transport.send({ method: "GET", url });
    const pieces: Uint8Array[] = [];
    const copies: Buffer[] = [];
    for await (const piece of body) {
      pieces.push(piece);
      copies.push(Buffer.from(piece));
    }
    expect(Buffer.concat(pieces).equals(Buffer.concat(copies))).toBe(true);
    expect(pieces.length).toBeLessThan(BODY.length / 65_536);
  });

  it.each([
    [
      "an end",
      (socket: Socket) => socket.end(Buffer.concat([Buffer.from(head(BODY.length)), BODY.subarray(0, 2_000_000)])),
    ],
    [
      "a reset",
      (socket: Socket) => {
        socket.write(Buffer.concat([Buffer.from(head(BODY.length)), BODY.subarray(0, 2_000_000)]));
        setTimeout(() => socket.resetAndDestroy(), 50);
      },
    ],
  ])("ends in an error after %s before its last byte", async (_what, send) => {
    answer = send;
    await expect(read()).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  it("ends in a time-out when the server falls silent", async () => {
    answer = (socket) => socket.write(Buffer.concat([Buffer.from(head(BODY.length)), BODY.subarray(0, 2_000_000)]));
    await expect(read({ bodyIdleTimeoutMs: 300 })).rejects.toMatchObject({ name: "HttpTimeout", phase: "body" });
  });

  it("ends with the reason of an abort", async () => {
    const stop = new AbortController();
    answer = (socket) => {
      socket.write(Buffer.concat([Buffer.from(head(BODY.length)), BODY.subarray(0, 2_000_000)]));
      setTimeout(() => stop.abort(new Error("enough")), 50);
    };
    await expect(read({ signal: stop.signal })).rejects.toThrow("enough");
  });

  it("is not read ahead of a slow reader, and closes the connection when the reader leaves", async () => {
    const large = randomBytes(64 * 1024 * 1024);
    answer = (socket) => {
      socket.write(head(large.length));
      socket.write(large);
    };
    const { body } = await transport.send({ method: "GET", url });
    let count = 0;
    for await (const piece of body) {
      count += 1;
      if (count < 4) continue; // the first ones still came by the parser
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(connections[0]?.writableLength).toBeGreaterThan(large.length / 2);
      expect(piece.byteLength).toBeLessThanOrEqual(2 * 1024 * 1024);
      break;
    }
    await expect.poll(() => connections[0]?.closed).toBe(true);
  });

  it("keeps the connection for small bodies", async () => {
    answer = (socket) => socket.write(`${head(2)}ok`);
    for (let i = 0; i < 3; i += 1) expect((await read()).toString()).toBe("ok");
    expect(connections).toHaveLength(1);
  });

  it.each([
    ["of unknown length", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "GET"],
    ["of an error", `HTTP/1.1 404 Not Found\r\ncontent-length: ${BODY.length}\r\n\r\n`, "GET"],
    ["that does not come", head(BODY.length), "HEAD"],
  ])("leaves a body %s to the parser", async (_what, text, method) => {
    answer = (socket) => socket.write(text);
    const agent = readInLargePieces(new Agent());
    const request = get(url, { agent, method });
    const [incoming] = (await once(request, "response")) as [IncomingMessage];
    expect(divertBody(incoming, method)).toBeUndefined();
    request.destroy();
    incoming.on("error", () => undefined);
  });
});
