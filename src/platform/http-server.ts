import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Server as NetServer } from "node:net";
import { errnoOf, WasmeError } from "../domain/errors.ts";

/** Answers a request. What it throws or rejects with becomes a 500, unless an answer has begun: then a cut one. */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** What {@link startHttpServer} serves, and where. */
export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly handle: RequestHandler;
  /** Is told what {@link RequestHandler} threw. */
  readonly onFault?: (error: unknown) => void;
}

/** A running server. */
export interface HttpServer {
  /** `http://127.0.0.1:9110`. */
  readonly url: string;
  readonly port: number;
  /** Takes no more connections, lets requests under way end within `graceMs`, then cuts them. */
  close(graceMs: number): Promise<void>;
}

/** Starts a server for plain HTTP/1.1. Throws `ADDRESS_IN_USE` and `ADDRESS_UNUSABLE` (failed). */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { host, handle, onFault = () => undefined } = options;
  let closing = false;
  const server = createServer(LIMITS, (request, response) => {
    if (closing) response.setHeader("connection", "close");
    const broke = (error: unknown): void => {
      onFault(error);
      if (response.headersSent) response.destroy();
      else response.writeHead(500, { "content-type": "text/plain", connection: "close" }).end("internal error\n");
    };
    try {
      Promise.resolve(handle(request, response)).catch(broke);
    } catch (error) {
      broke(error);
    }
  });
  const port = await listenOn(server, host, options.port);
  return {
    url: `http://${authority(host, port)}`,
    port,
    close: (graceMs) => {
      closing = true;
      return drain(server, graceMs);
    },
  };
}

/** Bodies may take as long as something moves. Milliseconds. */
const LIMITS = { requestTimeout: 0, headersTimeout: 30_000, keepAliveTimeout: 30_000 };

/** Listens, and gives the port. Throws `ADDRESS_IN_USE` and `ADDRESS_UNUSABLE` (failed). */
export async function listenOn(server: NetServer, host: string, port: number): Promise<number> {
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    throw listenError(error, authority(host, port));
  }
  return (server.address() as AddressInfo).port;
}

/** Takes no more connections, lets requests under way end within `graceMs`, then cuts them. */
export async function drain(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  if (graceMs === 0) server.closeAllConnections();
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  // What ends its request while others go on must not stay open for the next one.
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  await closed;
  clearTimeout(cut);
  clearInterval(idle);
}

/** `host:port` as a URL and an image reference write it: IPv6 in brackets. */
export function authority(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function listenError(error: unknown, address: string): unknown {
  const code = errnoOf(error);
  const failed = (name: string, why: string, hint: string): WasmeError =>
    new WasmeError("failed", name, `cannot listen on ${address}: ${why}`, { hint, cause: error });
  if (code === "EADDRINUSE") {
    return failed("ADDRESS_IN_USE", "the port is taken", "choose another port, or 0 for a free one");
  }
  if (code === "EACCES") return failed("ADDRESS_UNUSABLE", "permission denied", "choose a port above 1023");
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return failed("ADDRESS_UNUSABLE", "this machine has no such address", "listen on 127.0.0.1 or 0.0.0.0");
  }
  return error;
}
