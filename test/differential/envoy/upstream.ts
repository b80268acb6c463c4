import { once } from "node:events";
import { createServer as createHttp2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { SeenMessage } from "../exchange-lines.ts";
import { GAP_MS, type Headers, type UpstreamSpec } from "../scenario.ts";
import { Http1Parser, type WireMessage } from "./http1-parser.ts";
import { fieldsOf, pairsOf, responseOptions, writePieces } from "./http2-wire.ts";

/** A server of one scenario: answers as told and keeps what it was asked. */
export interface Upstream {
  readonly port: number;
  /** Requests in the order they began. */
  seen(): readonly SeenMessage[];
  close(): void;
}

/** Starts the server of a scenario. */
export async function startUpstream(spec: UpstreamSpec): Promise<Upstream> {
  if (spec.refused === true) return { port: await unusedPort(), seen: () => [], close: () => undefined };
  return startServer(spec.protocol ?? "http1", () => spec);
}

/** Chooses the answer when the head of a request has come; `place` is that of the request in `Upstream.seen()`. */
export type ChooseAnswer = (request: Pick<SeenMessage, "start" | "headers">, place: number) => UpstreamSpec;

/** Starts a server that chooses what it answers request by request. */
export function startServer(protocol: "http1" | "http2", choose: ChooseAnswer): Promise<Upstream> {
  return protocol === "http2" ? startHttp2(choose) : startHttp1(choose);
}

/** The answer of an upstream with its defaults. */
export function answerOf(spec: UpstreamSpec): {
  readonly status: number;
  readonly headers: Headers;
  readonly body: readonly string[];
} {
  const body = spec.body ?? ["upstream"];
  const length = body.join("").length;
  const chunked = spec.protocol !== "http2" && !(spec.withLength ?? spec.body === undefined);
  const framing: Headers = chunked ? [["transfer-encoding", "chunked"]] : [["content-length", String(length)]];
  const own = spec.headers ?? [];
  const given = own.some(([name]) => name === "content-length");
  const framed = given || ((spec.protocol === "http2" || isBodiless(spec)) && spec.withLength !== true);
  return { status: spec.status ?? 200, headers: framed ? own : [...own, ...framing], body };
}

function isBodiless({ status }: UpstreamSpec): boolean {
  return status === 204 || status === 304;
}

async function startHttp1(choose: ChooseAnswer): Promise<Upstream> {
  const messages: { message: WireMessage; closed: boolean }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.setNoDelay(true));
    socket.on("error", () => undefined);
    const open: { message: WireMessage; closed: boolean }[] = [];
    let spec: UpstreamSpec = {};
    const parser = new Http1Parser({
      headers: (message) => {
        const seen = { message, closed: false };
        messages.push(seen);
        open.push(seen);
        spec = choose({ start: startOf(message), headers: message.headers }, messages.length - 1);
        if (spec.early === true) void answerHttp1(socket, message, spec);
      },
      end: (message) => {
        if (spec.early !== true) void answerHttp1(socket, message, spec);
      },
    });
    socket.on("data", (data) => parser.feed(data));
    socket.on("close", () => {
      for (const seen of open) if (!seen.message.complete) seen.closed = true;
    });
  });
  const seen = ({ message, closed }: { message: WireMessage; closed: boolean }): SeenMessage => ({
    start: startOf(message),
    headers: message.headers,
    body: message.body,
    trailers: message.trailers,
    end: message.complete ? "complete" : closed ? "reset" : "hanging",
  });
  return listening(server, sockets, () => messages.map(seen));
}

function startOf({ start }: WireMessage): string {
  return start.replace(/ HTTP\/1\.1$/, "");
}

async function answerHttp1(socket: Socket, request: WireMessage, spec: UpstreamSpec): Promise<void> {
  await sleep(spec.delayMs ?? 0);
  if (spec.reset === "at-once") return void socket.destroy();
  const { status, headers, body } = answerOf(spec);
  const head = [`HTTP/1.1 ${status} Fine`, ...headers.map(([name, value]) => `${name}: ${value}`)];
  const chunked = headers.some(([name]) => name === "transfer-encoding");
  const silent = request.start.startsWith("HEAD ") || status === 204 || status === 304;
  socket.write(`${head.join("\r\n")}\r\n\r\n`, "latin1");
  if (silent) return;
  for (const piece of body) {
    await sleep(GAP_MS);
    if (chunked) socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`, "latin1");
    else if (piece !== "") socket.write(piece, "latin1");
  }
  await sleep(GAP_MS);
  if (spec.reset === "after-body") return void socket.destroy();
  const trailers = (spec.trailers ?? []).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  if (chunked) socket.write(`0\r\n${trailers}\r\n`, "latin1");
}

async function startHttp2(choose: ChooseAnswer): Promise<Upstream> {
  const messages: { -readonly [Key in keyof SeenMessage]: SeenMessage[Key] }[] = [];
  const sockets = new Set<Socket>();
  const server = createHttp2Server();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.on("sessionError", () => undefined);
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
    const pairs = pairsOf(raw);
    const seen = {
      start: `${String(headers[":method"])} ${String(headers[":path"])}`,
      headers: pairs.filter(([name]) => name !== ":method" && name !== ":path"),
      body: "",
      trailers: [] as Headers,
      end: "hanging",
    };
    messages.push(seen);
    const spec = choose(seen, messages.length - 1);
    stream.on("data", (data: Buffer) => (seen.body += data.toString("latin1")));
    stream.on("trailers", (_: object, _also: number, rawTrailers: string[]) => (seen.trailers = pairsOf(rawTrailers)));
    stream.on("error", () => undefined);
    stream.on("aborted", () => {
      if (seen.end === "hanging") seen.end = "reset";
    });
    stream.on("end", () => {
      seen.end = "complete";
      if (spec.early !== true) void answerHttp2(stream, spec);
    });
    if (spec.early === true) void answerHttp2(stream, spec);
  });
  return listening(server, sockets, () => messages);
}

async function answerHttp2(stream: ServerHttp2Stream, spec: UpstreamSpec): Promise<void> {
  await sleep(spec.delayMs ?? 0);
  if (stream.destroyed) return;
  if (spec.reset === "at-once") return stream.close(2);
  const { status, headers, body } = answerOf(spec);
  const trailers = spec.trailers !== undefined;
  const empty = body.length === 0 && !trailers;
  stream.respond({ ":status": status, ...fieldsOf(headers) }, { ...responseOptions(trailers), endStream: empty });
  if (empty) return;
  if (trailers) stream.on("wantTrailers", () => stream.sendTrailers(fieldsOf(spec.trailers ?? [])));
  await writePieces(stream, body, spec.reset !== undefined);
  if (body.length === 0) stream.end();
  await sleep(GAP_MS);
  if (spec.reset === "after-body") stream.close(2);
}

/** Listens on a free port. */
export async function listening(
  server: Server,
  sockets: ReadonlySet<Socket>,
  seen: () => readonly SeenMessage[],
): Promise<Upstream> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port: (server.address() as AddressInfo).port, seen, close };
}

/** A port nothing listens on. */
export async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
