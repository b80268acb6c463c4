import { once } from "node:events";
import { connect as connectHttp2, type ClientHttp2Stream, type IncomingHttpHeaders } from "node:http2";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { SeenMessage } from "../exchange-lines.ts";
import { GAP_MS, type Headers, type RequestSpec, type TcpSpec } from "../scenario.ts";
import { Http1Parser } from "./http1-parser.ts";
import { fieldsOf, pairsOf, writePieces } from "./http2-wire.ts";

/** How long an answer may take before it counts as hanging. */
const PATIENCE_MS = 1000;

/** What a request says beside what its spec names; HTTP/2 has these as pseudo headers. */
export function requestHeaders(spec: RequestSpec): Headers {
  const http2 = spec.protocol === "http2";
  const own = spec.headers ?? [];
  const given = (name: string): boolean => own.some(([key]) => key === name);
  const start: Headers = http2
    ? [
        [":path", spec.path ?? "/"],
        [":method", spec.method ?? "GET"],
        [":authority", "test.local"],
        [":scheme", "http"],
      ]
    : given("host")
      ? []
      : [["host", "test.local"]];
  const body = spec.body ?? [];
  const unframed = http2 || body.length === 0 || given("content-length");
  const framing: Headers = unframed
    ? []
    : [spec.withLength === true ? ["content-length", String(body.join("").length)] : ["transfer-encoding", "chunked"]];
  return [...start.filter(([name]) => !given(name)), ...own, ...framing];
}

/**
 * Sends the request on a connection of its own and waits for the end of the answer, or that it does not come. The client
 * goes away when `hangUp` says so.
 */
export function send(port: number, spec: RequestSpec, hangUp?: Promise<unknown>): Promise<SeenMessage> {
  return spec.protocol === "http2" ? sendHttp2(port, spec) : sendHttp1(port, spec, hangUp);
}

async function sendHttp1(port: number, spec: RequestSpec, hangUp?: Promise<unknown>): Promise<SeenMessage> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  let finished = (): void => undefined;
  let closed = false;
  const over = new Promise<void>((resolve) => (finished = resolve));
  const noBody = (message: { start: string }): boolean =>
    spec.method === "HEAD" || / (?:204|304)(?: |$)/.test(message.start);
  const parser = new Http1Parser({ end: () => finished() }, noBody);
  socket.on("data", (data) => parser.feed(data));
  socket.on("error", () => undefined);
  socket.on("close", () => {
    closed = true;
    parser.ended();
    finished();
  });
  void hangUp?.then(() => socket.destroy());
  await writeHttp1(socket, spec);
  await waitForEnd(over, spec);
  const [message] = parser.messages;
  // A body that grew over its content-length shows itself only afterwards.
  const end = message?.complete === true ? "complete" : closed ? "reset" : "hanging";
  socket.destroy();
  if (message === undefined) return { start: "no answer", headers: [], body: "", trailers: [], end };
  return { ...message, start: message.start.split(" ")[1] ?? "", end };
}

async function writeHttp1(socket: Socket, spec: RequestSpec): Promise<void> {
  const headers = requestHeaders(spec);
  const head = [
    `${spec.method ?? "GET"} ${spec.path ?? "/"} HTTP/1.1`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ];
  const body = spec.body ?? [];
  const chunked = headers.some(([name]) => name === "transfer-encoding");
  socket.write(`${head.join("\r\n")}\r\n\r\n`, "latin1");
  for (const piece of body) {
    await sleep(GAP_MS);
    if (chunked) socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`, "latin1");
    else socket.write(piece, "latin1");
  }
  if (spec.hangUpAfterMs !== undefined) {
    await sleep(spec.hangUpAfterMs);
    socket.destroy();
  } else if (chunked) {
    await sleep(GAP_MS);
    const trailers = (spec.trailers ?? []).map(([name, value]) => `${name}: ${value}\r\n`).join("");
    socket.write(`0\r\n${trailers}\r\n`, "latin1");
  }
}

async function sendHttp2(port: number, spec: RequestSpec): Promise<SeenMessage> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined);
  await once(session, "connect");
  const { body = [], trailers, hangUpAfterMs } = spec;
  const options = { endStream: body.length === 0 && trailers === undefined, waitForTrailers: trailers !== undefined };
  const stream = session.request(fieldsOf(requestHeaders(spec)), options);
  const { seen, over } = watchHttp2(stream);
  if (trailers !== undefined) stream.on("wantTrailers", () => stream.sendTrailers(fieldsOf(trailers)));
  await writePieces(stream, body, false);
  if (body.length === 0 && trailers !== undefined) stream.end();
  if (hangUpAfterMs !== undefined) {
    await sleep(hangUpAfterMs);
    stream.close(8);
  }
  await waitForEnd(over, spec);
  const result = { ...seen };
  session.destroy();
  return result;
}

function watchHttp2(stream: ClientHttp2Stream): { readonly seen: SeenMessage; readonly over: Promise<void> } {
  const seen = { start: "no answer", headers: [] as Headers, body: "", trailers: [] as Headers, end: "hanging" };
  const over = new Promise<void>((resolve) => {
    stream.on("close", () => {
      if (seen.end === "hanging") seen.end = `reset ${stream.rstCode}`;
      resolve();
    });
  });
  stream.on("error", () => undefined);
  stream.on("response", (headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
    seen.start = String(headers[":status"]);
    seen.headers = pairsOf(raw).filter(([name]) => name !== ":status");
  });
  stream.on("data", (data: Buffer) => (seen.body += data.toString("latin1")));
  stream.on("trailers", (_headers: object, _flags: number, raw: string[]) => (seen.trailers = pairsOf(raw)));
  stream.on("end", () => {
    if (stream.rstCode === 0) seen.end = "complete";
  });
  return { seen, over };
}

async function waitForEnd(over: Promise<void>, spec: RequestSpec): Promise<void> {
  const timer = new AbortController();
  const patience = sleep(spec.patienceMs ?? PATIENCE_MS, undefined, { signal: timer.signal }).catch(() => undefined);
  await Promise.race([over, patience]);
  timer.abort();
}

/** Sends the pieces over TCP and gathers what comes back until the connection ends. */
export async function sendTcp(port: number, spec: TcpSpec): Promise<SeenMessage> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
  await once(socket, "connect");
  let body = "";
  let end = "hanging";
  socket.on("data", (data) => (body += data.toString("latin1")));
  socket.on("error", () => {
    if (end === "hanging") end = "reset";
  });
  const over = new Promise<void>((resolve) => {
    socket.on("end", () => {
      end = "complete";
      resolve();
    });
    socket.on("close", () => resolve());
  });
  for (const piece of spec.send) {
    await sleep(GAP_MS);
    socket.write(Buffer.from(piece, "latin1"));
  }
  if (spec.serverCloses !== true) {
    await sleep(3 * GAP_MS);
    socket.end();
  }
  await waitForEnd(over, {});
  if (end === "hanging") socket.resetAndDestroy();
  else socket.destroy();
  return { start: "tcp", headers: [], body, trailers: [], end };
}
