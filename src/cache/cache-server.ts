import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { errnoOf } from "../domain/errors.ts";
import { authority, drain, listenOn } from "../platform/http-server.ts";
import type { ListenAddress } from "../platform/listen-address.ts";
import type { Log } from "../platform/json-log.ts";
import { shareConnections } from "./fair-connections.ts";

/** What the cache's server is told. */
export interface CacheServerOptions {
  readonly listen: ListenAddress;
  readonly answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  /** Told of each request once its answer ended; status 0 when the client left before there was one. */
  readonly onAnswered: (status: number) => void;
  readonly log: Log;
}

/** The running server. */
export interface CacheServer {
  /** `http://127.0.0.1:9110`. */
  readonly url: string;
  /** From now on every answer ends its connection. */
  lastAnswers(): void;
  /** Takes no more connections, lets bodies under way end within `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/**
 * Starts it. Not `startHttpServer`: what Node says there to a broken request (400, 408) is final for a proxy, and a fault
 * here is 503, with the time to come again. Throws `ADDRESS_IN_USE`, `ADDRESS_UNUSABLE` (failed).
 */
export async function startCacheServer(options: CacheServerOptions): Promise<CacheServer> {
  const { listen, answer, onAnswered, log } = options;
  let isLast = false;
  const server = createServer(LIMITS, (request, response) => {
    if (isLast) response.setHeader("connection", "close");
    response.once("close", () => onAnswered(response.headersSent ? response.statusCode : 0));
    answer(request, response).catch((error: unknown) => {
      if (!CLIENT_GONE.has(errnoOf(error) ?? "")) log.error("answering a request broke", { error, url: request.url });
      // A short body must not look whole; what was not begun may be asked again.
      if (response.headersSent) response.destroy();
      else response.writeHead(503, { "retry-after": "1", "content-length": 0 }).end();
    });
  });
  // Node would answer 400, 408 or 431 by itself, also to whom it let wait; a connection that is cut is tried again.
  server.on("clientError", (_error, socket) => socket.destroy());
  server.setTimeout(SILENCE_MS);
  server.maxConnections = MOST_CONNECTIONS;
  shareConnections(server, MOST_OF_ONE);
  const port = await listenOn(server, listen.host, listen.port);
  return {
    url: `http://${authority(listen.host, port)}`,
    lastAnswers: () => void (isLast = true),
    close: (graceMs) => {
      isLast = true;
      return drain(server, graceMs);
    },
  };
}

/** A request is a few hundred bytes, so who takes longer to send one holds a connection for nothing. Milliseconds. */
const LIMITS = {
  // Node would say 400 itself.
  requireHostHeader: false,
  headersTimeout: 5000,
  requestTimeout: 30_000,
  keepAliveTimeout: 120_000,
  connectionsCheckingInterval: 1000,
};

/** A client that takes nothing of its body for so long is cut off. Longer than any request is held. Milliseconds. */
const SILENCE_MS = 60_000;

/** Files are open as long as bodies are under way. */
const MOST_CONNECTIONS = 8192;

/** Of one address: all proxies of the node's own network have the same one. */
const MOST_OF_ONE = 2048;

/** Nobody's fault: the client broke off. */
const CLIENT_GONE: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "EPIPE",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ERR_STREAM_DESTROYED",
]);
