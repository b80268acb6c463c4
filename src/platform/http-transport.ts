import { once } from "node:events";
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { BodySource } from "../domain/content.ts";
import type { Env } from "./env.ts";
import { readHttpBody } from "./http-body.ts";
import { divertBody } from "./http-direct-body.ts";
import { createRoutes } from "./http-routes.ts";
import type { TlsSettings } from "./http-trust.ts";
import { startWatchdog, type Watchdog } from "./http-watchdog.ts";

/** One request. Redirects, authentication and retries are the caller's business. */
export interface HttpRequest {
  readonly method: string;
  /** `http:` or `https:`. */
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Streamed with a `content-length`; opened once per call. */
  readonly body?: BodySource;
  /** How the server's certificate is judged. */
  readonly tls?: TlsSettings;
  /** Overrides the transport's idle time-out. Milliseconds. */
  readonly idleTimeoutMs?: number;
  /** The same for silence within the answer's body; default is the former. Milliseconds. */
  readonly bodyIdleTimeoutMs?: number;
  /** Told the number of body bytes handed to the connection so far. */
  readonly onSent?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** The head of an answer, and its body to be read once or discarded: one of both must happen. */
export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders;
  /** Never decoded. Ends in an error when the connection breaks or is silent too long before the announced end. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Gives the body up; the connection is kept when little is left to read. */
  discard(): void;
}

/** Sends requests over pooled connections. */
export interface HttpTransport {
  /** Rejects with Node's own errors (`ECONNREFUSED`, TLS codes, …), `HttpTimeout`, or the signal's reason. */
  send(request: HttpRequest): Promise<HttpResponse>;
  /** Ends idle and busy connections. */
  close(): void;
}

/** Limits of a transport; all in milliseconds. */
export interface HttpTransportOptions {
  /** Where proxy variables and `NODE_EXTRA_CA_CERTS` are read. */
  readonly env: Env;
  /** Until the connection (with TLS) stands. Default 10 s. */
  readonly connectTimeoutMs?: number;
  /** Without a byte in either direction. Default 15 s. */
  readonly idleTimeoutMs?: number;
}

/** Extra time to answer per MiB of request body: servers hash and copy what they were sent before they say so. */
const ANSWER_MS_PER_MIB = 250;
/** Bodies are written in slices, so that a slow line shows progress within the idle time. Bytes. */
const SLICE = 256 * 1024;
/** A body of at most this many bytes is read to its end to keep the connection. */
const DRAIN_LIMIT = 64 * 1024;

/**
 * A transport over `node:http` and `node:https` with keep-alive, proxies (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`)
 * and time-outs. Answers are asked for in `identity` encoding.
 */
export function createHttpTransport(options: HttpTransportOptions): HttpTransport {
  const routes = createRoutes(options.env);
  const connectMs = options.connectTimeoutMs ?? 10_000;
  const idleMs = options.idleTimeoutMs ?? 15_000;
  const draining = new Set<Promise<void>>();
  const drained = (rest: Promise<void>): void => {
    draining.add(rest);
    void rest.then(() => draining.delete(rest));
  };
  return {
    send: async (request) => {
      // A connection is free again only when the rest of the last answer was read: mostly it is here already.
      if (draining.size > 0) await Promise.race([Promise.all(draining), turn()]);
      request.signal?.throwIfAborted();
      const route = await routes.find(request.url, request.tls ?? {}, connectMs);
      request.signal?.throwIfAborted();
      const outgoing = route.open(request.method, headersOf(request), request.signal);
      return exchange(outgoing, request, { connectMs, idleMs: request.idleTimeoutMs ?? idleMs, drained });
    },
    close: () => routes.close(),
  };
}

function headersOf(request: HttpRequest): Record<string, string> {
  const bodiless = request.method === "GET" || request.method === "HEAD" || request.method === "DELETE";
  const length = request.body?.size ?? (bodiless ? undefined : 0);
  return {
    "accept-encoding": "identity",
    ...(length === undefined ? {} : { "content-length": String(length) }),
    ...request.headers,
  };
}

interface Exchange {
  readonly connectMs: number;
  readonly idleMs: number;
  /** Told of answers that are being read to their end. */
  readonly drained: (rest: Promise<void>) => void;
}

/** Sends the body and waits for the head of the answer, whichever the server wants first. */
async function exchange(outgoing: ClientRequest, request: HttpRequest, options: Exchange): Promise<HttpResponse> {
  const watchdog = startWatchdog((timeout) => outgoing.destroy(timeout));
  watchdog.expect("connect", options.connectMs);
  const answered = new Promise<Answer>((resolve, reject) => {
    outgoing.once("response", (incoming) => resolve({ incoming, direct: divertBody(incoming, request.method) }));
    outgoing.on("error", reject); // stays: a late error must not be an uncaught one
  });
  void sendBody(outgoing, request, { watchdog, idleMs: options.idleMs, answered });
  try {
    return responseOf(outgoing, await answered, request, options);
  } catch (error) {
    request.signal?.throwIfAborted();
    throw error;
  } finally {
    watchdog.stop();
  }
}

/** An answer, and the way to its body when that is not the usual one. */
interface Answer {
  readonly incoming: IncomingMessage;
  readonly direct: AsyncIterable<Uint8Array> | undefined;
}

interface Sending {
  readonly watchdog: Watchdog;
  readonly idleMs: number;
  readonly answered: Promise<unknown>;
}

/** Sends the body until it ends or the server has answered; failures destroy the request. */
async function sendBody(outgoing: ClientRequest, request: HttpRequest, sending: Sending): Promise<void> {
  const { watchdog, idleMs, answered } = sending;
  const { body } = request;
  let over = false;
  const stop = (): void => {
    over = true;
  };
  answered.then(stop, stop);
  try {
    await Promise.race([connected(outgoing), answered]);
    watchdog.expect(body === undefined ? "answer" : "send", idleMs);
    if (body !== undefined) await writeSlices(outgoing, { ...request, body }, { ...sending, isOver: () => over });
    if (over) return;
    watchdog.expect("answer", idleMs + Math.ceil((body?.size ?? 0) / 2 ** 20) * ANSWER_MS_PER_MIB);
    outgoing.end();
  } catch (error) {
    if (!over) outgoing.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

/** Writes the body slice by slice; returns early when the server answered. Throws unless its size is as announced. */
async function writeSlices(
  outgoing: ClientRequest,
  { body, onSent }: HttpRequest & { readonly body: BodySource },
  { watchdog, idleMs, answered, isOver }: Sending & { readonly isOver: () => boolean },
): Promise<void> {
  let sent = 0;
  for await (const slice of slices(body)) {
    if (isOver()) return;
    sent += slice.byteLength;
    if (sent > body.size) throw new RangeError(`a body of ${body.size} bytes gave more`);
    if (!outgoing.write(slice)) await Promise.race([once(outgoing, "drain"), answered]);
    watchdog.expect("send", idleMs);
    onSent?.(sent);
  }
  if (sent !== body.size) throw new RangeError(`a body of ${body.size} bytes ended after ${sent}`);
}

/** Resolves when the connection stands, with TLS if that is wanted. */
function connected(outgoing: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    outgoing.once("socket", (socket) => {
      if (outgoing.reusedSocket) resolve();
      else socket.once("encrypted" in socket ? "secureConnect" : "connect", () => resolve());
    });
  });
}

async function* slices(body: BodySource): AsyncGenerator<Uint8Array> {
  for await (const chunk of body.open()) {
    for (let at = 0; at < chunk.byteLength; at += SLICE) yield chunk.subarray(at, at + SLICE);
  }
}

function responseOf(
  outgoing: ClientRequest,
  { incoming, direct }: Answer,
  request: HttpRequest,
  options: Exchange,
): HttpResponse {
  incoming.on("error", () => undefined); // the reader sees it; nobody else needs to
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    body: readHttpBody(incoming, {
      direct,
      idleMs: request.bodyIdleTimeoutMs ?? options.idleMs,
      signal: request.signal,
      done: () => endUnsent(outgoing),
    }),
    discard: () => {
      options.drained(drain(incoming, request.method));
      endUnsent(outgoing);
    },
  };
}

/** Reads a small rest, so that the connection can be used again; closes it when the rest is large. */
function drain(incoming: IncomingMessage, method: string): Promise<void> {
  const announced = method === "HEAD" ? 0 : Number(incoming.headers["content-length"] ?? 0);
  if (announced > DRAIN_LIMIT) incoming.destroy();
  let read = 0;
  incoming.on("data", (chunk: Buffer) => {
    read += chunk.byteLength;
    if (read > DRAIN_LIMIT) incoming.destroy();
  });
  return new Promise((resolve) => incoming.once("close", () => resolve()));
}

/** Two turns of the event loop: time for what has arrived to be read. */
async function turn(): Promise<void> {
  await nextTurn();
  await nextTurn();
}

/** A request answered before its body was sent leaves a connection nobody can use. */
function endUnsent(outgoing: ClientRequest): void {
  if (!outgoing.writableEnded) outgoing.destroy();
}
