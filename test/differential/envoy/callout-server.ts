import { createServer as createHttp2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { calloutAnswer, grpcAnswer } from "../callout-answers.ts";
import { fieldsOf, pairsOf, responseOptions } from "./http2-wire.ts";
import { listening, type Upstream } from "./upstream.ts";

/** The server behind the clusters `callout` and `grpc`: cleartext HTTP/2, the same for all scenarios. */
export async function startCalloutServer(): Promise<Upstream> {
  const sockets = new Set<Socket>();
  const server = createHttp2Server();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.on("sessionError", () => undefined);
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
    stream.on("error", () => undefined);
    if (headers["content-type"] === "application/grpc") void serveGrpc(stream, headers);
    else void serveHttp(stream, raw);
  });
  return listening(server, sockets, () => []);
}

async function serveHttp(stream: ServerHttp2Stream, raw: string[]): Promise<void> {
  let body = "";
  let trailers: readonly (readonly [string, string])[] = [];
  stream.on("trailers", (_headers: object, _flags: number, pairs: string[]) => (trailers = pairsOf(pairs)));
  for await (const data of stream) body += (data as Buffer).toString("latin1");
  const answer = calloutAnswer(pairsOf(raw), body, trailers);
  if (answer.afterMs > 0) await sleep(answer.afterMs);
  if (stream.destroyed) return;
  if (answer.reset) return stream.close(2);
  const withTrailers = answer.trailers !== undefined;
  const [status = ["", "200"], ...rest] = answer.headers;
  const head = { ":status": Number(status[1]), ...fieldsOf(rest) };
  stream.respond(head, responseOptions(withTrailers));
  if (withTrailers) stream.on("wantTrailers", () => stream.sendTrailers(fieldsOf(answer.trailers ?? [])));
  stream.end(Buffer.from(answer.body, "latin1"));
}

/** A gRPC service that does as its method's name says. */
async function serveGrpc(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
  const answer = grpcAnswer(String(headers[":path"]));
  stream.respond(
    { ":status": 200, "content-type": "application/grpc", ...fieldsOf(answer.initial) },
    responseOptions(true),
  );
  stream.on("wantTrailers", () => {
    stream.sendTrailers({
      "grpc-status": String(answer.status),
      "grpc-message": answer.message,
      ...fieldsOf(answer.trailing),
    });
  });
  let received = Buffer.alloc(0);
  stream.on("data", (data: Buffer) => {
    received = Buffer.concat([received, data]);
    for (let size = messageSize(received); size !== undefined; size = messageSize(received)) {
      const message = received.subarray(5, 5 + size).toString("latin1");
      received = received.subarray(5 + size);
      for (const text of answer.replies(message)) stream.write(framed(text));
    }
  });
  stream.on("end", () => stream.end());
  if (answer.closeAtOnce) stream.end();
}

function messageSize(data: Buffer): number | undefined {
  if (data.length < 5) return undefined;
  const size = data.readUInt32BE(1);
  return data.length < 5 + size ? undefined : size;
}

function framed(text: string): Buffer {
  const message = Buffer.from(text, "latin1");
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
