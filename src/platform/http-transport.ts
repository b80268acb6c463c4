import { once } from "node:events";
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { BodySource } from "../domain/content.ts";
import type { Env } from "./env.ts";
import { readHttpBody } from "./http-body.ts";
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
  return {
    send: async (request) => {
      request.signal?.throwIfAborted();
      const route = await routes.find(request.url, request.tls ?? {}, connectMs);
      request.signal?.throwIfAborted();
      const outgoing = route.open(request.method, headersOf(request), request.signal);
      return exchange(outgoing, request, { connectMs, idleMs: request.idleTimeoutMs ?? idleMs });
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

interface Timeouts {
  readonly connectMs: number;
  readonly idleMs: number;
}

/** Sends the body and waits for the head of the answer, whichever the server wants first. */
async function exchange(outgoing: ClientRequest, request: HttpRequest, timeouts: Timeouts): Promise<HttpResponse> {
  const watchdog = startWatchdog((timeout) => outgoing.destroy(timeout));
  watchdog.expect("connect", timeouts.connectMs);
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once("response", resolve);
    outgoing.on("error", reject); // stays: a late error must not be an uncaught one
  });
  void sendBody(outgoing, request, { watchdog, idleMs: timeouts.idleMs, answered });
  try {
    return responseOf(outgoing, await answered, request, timeouts);
  } catch (error) {
    request.signal?.throwIfAborted();
    throw error;
  } finally {
    watchdog.stop();
  }
}

interface Sending {
  readonly watchdog: Watchdog;
  readonly idleMs: number;
  readonly answered: Promise<IncomingMessage>;
}

/** Writes the body slice by slice until it ends or the server has answered; failures destroy the request. */
async function sendBody(outgoing: ClientRequest, request: HttpRequest, sending: Sending): Promise<void> {
  const { watchdog, idleMs, answered } = sending;
  let over = false;
  const stop = (): void => {
    over = true;
  };
  answered.then(stop, stop);
  try {
    await Promise.race([connected(outgoing), answered]);
    watchdog.expect(request.body === undefined ? "answer" : "send", idleMs);
    let sent = 0;
    for await (const slice of slices(request.body)) {
      if (over) return;
      sent += slice.byteLength;
      if (sent > (request.body?.size ?? 0)) break;
      if (!outgoing.write(slice)) await Promise.race([once(outgoing, "drain"), answered]);
      watchdog.expect("send", idleMs);
      request.onSent?.(sent);
    }
    const size = request.body?.size ?? 0;
    if (sent !== size) throw new RangeError(`a body of ${size} bytes gave ${sent > size ? "more" : String(sent)}`);
    watchdog.expect("answer", idleMs + Math.ceil(size / 2 ** 20) * ANSWER_MS_PER_MIB);
    outgoing.end();
  } catch (error) {
    if (!over) outgoing.destroy(error instanceof Error ? error : new Error(String(error)));
  }
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

async function* slices(body: BodySource | undefined): AsyncGenerator<Uint8Array> {
  if (body === undefined) return;
  for await (const chunk of body.open()) {
    for (let at = 0; at < chunk.byteLength; at += SLICE) yield chunk.subarray(at, at + SLICE);
  }
}

function responseOf(
  outgoing: ClientRequest,
  incoming: IncomingMessage,
  request: HttpRequest,
  timeouts: Timeouts,
): HttpResponse {
  incoming.on("error", () => undefined); // the reader sees it; nobody else needs to
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    body: readHttpBody(incoming, {
      idleMs: request.bodyIdleTimeoutMs ?? timeouts.idleMs,
      signal: request.signal,
      done: () => endUnsent(outgoing),
    }),
    discard: () => {
      const left = Number(incoming.headers["content-length"] ?? Number.NaN);
      if (request.method === "HEAD" || left <= DRAIN_LIMIT) incoming.resume();
      else incoming.destroy();
      endUnsent(outgoing);
    },
  };
}

/** A request answered before its body was sent leaves a connection nobody can use. */
function endUnsent(outgoing: ClientRequest): void {
  if (!outgoing.writableEnded) outgoing.destroy();
}
