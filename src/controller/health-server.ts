import type { IncomingMessage, ServerResponse } from "node:http";
import { type HttpServer, startHttpServer } from "../platform/http-server.ts";
import type { Log } from "../platform/json-log.ts";
import type { Health } from "./health.ts";

/** Where a health server listens, and what else it serves. */
export interface HealthServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly health: Health;
  readonly log: Log;
  /** Answers what is no question of health; 404 when absent. */
  readonly other?: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
}

/** Serves a program's health, and whatever else it serves, on one port. Throws `ADDRESS_IN_USE`, `ADDRESS_UNUSABLE`. */
export function startHealthServer(options: HealthServerOptions): Promise<HttpServer> {
  const { host, port, health, log, other = notFound } = options;
  return startHttpServer({
    host,
    port,
    handle: (request, response) => (health.handle(request, response) ? undefined : other(request, response)),
    onFault: (error) => log.error("a bug: answering a request broke", { error }),
  });
}

function notFound(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(404, { "content-type": "text/plain; charset=utf-8" }).end("not found\n");
}
