import { once } from "node:events";
import { createServer as createHttp1, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import {
  createServer as createHttp2,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from "node:net";
import { errnoOf, WasmeError } from "../../domain/errors.ts";
import type { Address } from "../../host/stream-info.ts";
import { http1Head, Http1Downstream } from "./http1-downstream.ts";
import { http2Head, Http2Downstream } from "./http2-downstream.ts";
import type { Downstream, DownstreamEvents, RequestHead } from "./http-side.ts";
import type { Connection } from "./messages.ts";

/** Where to listen. */
export interface ListenerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Takes a request; what it gives back is told the rest of it. */
  readonly onRequest: (head: RequestHead, client: Downstream) => DownstreamEvents;
}

/** A listener for HTTP/1.1 and, by prior knowledge, cleartext HTTP/2. */
export interface Listener {
  /** `127.0.0.1:8080`. */
  readonly address: string;
  /** Takes no more connections and requests, lets those under way end within `graceMs`, then cuts them. */
  close(graceMs: number): Promise<void>;
}

/**
 * Listens on one port for both protocols. Throws `ADDRESS_IN_USE` and `ADDRESS_UNUSABLE` (failed).
 */
export async function startListener(options: ListenerOptions): Promise<Listener> {
  const connectionOf = connections();
  const http1 = http1Server(options, connectionOf);
  const http2 = http2Server(options, connectionOf);
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    sniff(socket, http1, http2.server);
  });
  const port = await listen(server, options);
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return {
    address: `${host}:${port}`,
    close: async (graceMs) => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of http2.sessions) session.close();
      const idle = setInterval(() => http1.closeIdleConnections(), 25);
      http1.closeIdleConnections();
      const cut = setTimeout(() => sockets.forEach((socket) => socket.destroy()), graceMs);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
      http1.close();
      http2.server.close();
    },
  };
}

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Milliseconds a connection may stay silent before its first byte. */
const FIRST_BYTE_MS = 60_000;

/** Looks at the first bytes: the preface of HTTP/2 is no request any HTTP/1 client sends. */
function sniff(socket: Socket, http1: Server, http2: Http2Server): void {
  let seen: Buffer = Buffer.alloc(0);
  const look = (): void => {
    for (let piece: Buffer | null; (piece = socket.read() as Buffer | null) !== null;) {
      seen = seen.length === 0 ? piece : Buffer.concat([seen, piece]);
    }
    const common = Math.min(seen.length, PREFACE.length);
    const isPreface = seen.subarray(0, common).equals(PREFACE.subarray(0, common));
    if (isPreface && common < PREFACE.length) return; // more has to come
    socket.off("readable", look);
    socket.setTimeout(0);
    socket.off("timeout", giveUp);
    socket.unshift(seen);
    (isPreface ? http2 : http1).emit("connection", socket);
  };
  const giveUp = (): void => void socket.destroy();
  socket.setTimeout(FIRST_BYTE_MS, giveUp);
  socket.on("readable", look);
}

/** Uploads take as long as they take; a head does not. Milliseconds. */
const LIMITS = { requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: 75_000, maxHeaderSize: 61_440 };

function http1Server({ onRequest }: ListenerOptions, connectionOf: (socket: Socket) => Connection): Server {
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    const refusal = refusalOf(request);
    if (refusal !== undefined) {
      const [status, text] = refusal;
      response.writeHead(status, ["connection", "close", "content-type", "text/plain"]).end(`${text}\n`);
      return;
    }
    const client = new Http1Downstream(request, response);
    const head = http1Head(request, connectionOf(request.socket));
    client.listen(onRequest(head, client), head.end);
  };
  const server = createHttp1(LIMITS, take);
  // All of them, to be counted here: Node leaves out those beyond its own limit without a word.
  server.maxHeadersCount = 0;
  server.on("checkContinue", (request, response) => {
    response.writeContinue();
    take(request, response);
  });
  // It never listens itself, and would not keep track of its connections.
  server.emit("listening");
  return server;
}

/** Status and reason of a request that is not proxied, as Envoy's defaults have it. */
function refusalOf({ httpVersion, rawHeaders, headers }: IncomingMessage): readonly [number, string] | undefined {
  if (httpVersion !== "1.1") return [426, "HTTP/1.1 is needed"];
  if (rawHeaders.length / 2 > MOST_HEADERS) return [431, `more than ${MOST_HEADERS} headers`];
  const coding = headers["transfer-encoding"];
  // Another coding would be lost on the way, and the body be taken for something else.
  if (coding !== undefined && coding.trim().toLowerCase() !== "chunked") return [501, "only chunked is understood"];
  return undefined;
}

/** Fields of a request. */
const MOST_HEADERS = 100;

interface Http2Side {
  readonly server: Http2Server;
  readonly sessions: ReadonlySet<ServerHttp2Session>;
}

function http2Server({ onRequest }: ListenerOptions, connectionOf: (socket: Socket) => Connection): Http2Side {
  const sessions = new Set<ServerHttp2Session>();
  const server = createHttp2({ settings: { maxConcurrentStreams: 1000, initialWindowSize: 1024 * 1024 } });
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.on("error", () => undefined);
  });
  server.on("sessionError", () => undefined);
  server.on("stream", (stream: ServerHttp2Stream, _headers: unknown, _flags: number, raw: readonly string[]) => {
    const client = new Http2Downstream(stream);
    const socket = stream.session?.socket;
    const head = http2Head(stream, raw, socket === undefined ? NO_CONNECTION : connectionOf(socket));
    client.listen(onRequest(head, client), head.end);
  });
  return { server, sessions };
}

/** Numbers connections from 1. */
function connections(): (socket: Socket) => Connection {
  const known = new WeakMap<Socket, Connection>();
  let last = 0;
  return (socket) => {
    const found = known.get(socket);
    if (found !== undefined) return found;
    last += 1;
    const connection = {
      id: last,
      source: hostAndPort(socket.remoteAddress, socket.remotePort),
      destination: hostAndPort(socket.localAddress, socket.localPort),
    };
    known.set(socket, connection);
    return connection;
  };
}

const NO_CONNECTION: Connection = { id: 0, source: { address: "", port: 0 }, destination: { address: "", port: 0 } };

function hostAndPort(host = "", port = 0): Address {
  return { address: host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`, port };
}

async function listen(server: NetServer, { host, port }: ListenerOptions): Promise<number> {
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    throw listenError(error, `${host.includes(":") ? `[${host}]` : host}:${port}`);
  }
  return (server.address() as AddressInfo).port;
}

function listenError(error: unknown, address: string): unknown {
  const failed = (code: string, why: string, hint: string): WasmeError =>
    new WasmeError("failed", code, `cannot listen on ${address}: ${why}`, { hint, cause: error });
  switch (errnoOf(error) ?? "") {
    case "EADDRINUSE":
      return failed("ADDRESS_IN_USE", "the port is taken", "choose another with --listen, or port 0 for a free one");
    case "EACCES":
      return failed("ADDRESS_UNUSABLE", "permission denied", "choose a port above 1023");
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return failed("ADDRESS_UNUSABLE", "this machine has no such address", "listen on 127.0.0.1 or 0.0.0.0");
    default:
      return error;
  }
}
