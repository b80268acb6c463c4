import { Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as TlsAgent, request as httpsRequest } from "node:https";
import { errnoOf } from "../../domain/errors.ts";
import { headerOf, HOP_BY_HOP, lowerNames } from "./flat-headers.ts";
import { NO_BYTES, type Upstream, type UpstreamCall, type UpstreamEvents } from "./http-side.ts";
import type { FlatHeaders } from "./messages.ts";

/** How an upstream is spoken to. */
export interface UpstreamOptions {
  readonly url: URL;
  /** Send the URL's own host and put its path before the request's: for the upstream of a route, not for callouts. */
  readonly rewrite: boolean;
}

/** An `http:` or `https:` upstream, spoken to in HTTP/1.1. */
export function http1Upstream(options: UpstreamOptions): Upstream {
  const { url } = options;
  const tls = url.protocol === "https:";
  const settings = { keepAlive: true, keepAliveMsecs: 10_000, scheduling: "lifo" as const };
  const target: Target = {
    hostname: url.hostname.replaceAll(/^\[|\]$/gu, ""),
    port: url.port === "" ? undefined : url.port,
    host: options.rewrite ? url.host : undefined,
    path: options.rewrite ? url.pathname : undefined,
    agent: tls ? new TlsAgent({ ...settings, ALPNProtocols: ["http/1.1"] }) : new Agent(settings),
    start: tls ? httpsRequest : httpRequest,
  };
  return {
    name: url.origin,
    send: (headers, end, events) => new Http1Call(target, { headers, end }, events),
    close: () => target.agent.destroy(),
  };
}

/** What every request needs of the URL, which is slow to ask. */
interface Target {
  readonly hostname: string;
  readonly port: string | undefined;
  /** Replaces the request's. */
  readonly host: string | undefined;
  /** Goes before the request's. */
  readonly path: string | undefined;
  readonly agent: Agent;
  readonly start: typeof httpRequest;
}

interface Head {
  readonly headers: FlatHeaders;
  readonly end: boolean;
}

class Http1Call implements UpstreamCall {
  readonly #target: Target;
  readonly #head: Head;
  readonly #events: UpstreamEvents;
  #request: ClientRequest;
  #response: IncomingMessage | undefined;
  #done = false;
  #sentBody = false;
  #paused = false;

  constructor(target: Target, head: Head, events: UpstreamEvents) {
    this.#target = target;
    this.#head = head;
    this.#events = events;
    this.#request = this.#start();
  }

  data(bytes: Uint8Array, end: boolean): boolean {
    this.#sentBody = true;
    if (!end) return bytes.length === 0 || this.#request.write(bytes);
    if (bytes.length === 0) this.#request.end();
    else this.#request.end(bytes);
    return true;
  }

  /** Ends the request: Envoy drops trailers on the way to HTTP/1, and those that come from there. */
  trailers(_trailers: FlatHeaders): void {
    this.#sentBody = true;
    this.#request.end();
  }

  reset(): void {
    this.#done = true;
    this.#request.destroy();
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    if (paused) this.#response?.pause();
    else this.#response?.resume();
  }

  #start(): ClientRequest {
    const { hostname, port, host, path: base, agent, start } = this.#target;
    const { headers, end } = this.#head;
    const path = headerOf(headers, ":path") ?? "/";
    const request = start({
      agent,
      hostname,
      port,
      method: headerOf(headers, ":method") ?? "GET",
      path: base === undefined ? path : joinPaths(base, path),
      headers: requestHeaders(headers, { host, end }),
      setHost: false,
    });
    request.on("response", (response) => this.#onResponse(response));
    request.on("error", (error) => this.#onError(error, request));
    request.on("drain", () => this.#events.drained());
    // A server that answers an upgrade nobody asked for.
    request.on("upgrade", (_response, socket) => socket.destroy());
    if (end) request.end();
    else request.write(NO_BYTES); // the headers alone, as bytes: flushHeaders would encode them as UTF-8
    return request;
  }

  #onResponse(response: IncomingMessage): void {
    if (this.#done) return;
    this.#response = response;
    const events = this.#events;
    const status = response.statusCode ?? 0;
    const flat = [":status", String(status), ...lowerNames(response.rawHeaders)];
    const bodyless = headerOf(this.#head.headers, ":method") === "HEAD" || status === 204 || status === 304;
    const end = bodyless || response.headers["content-length"] === "0";
    events.headers(flat, end);
    if (end) {
      this.#done = true;
      response.resume();
      return;
    }
    response.on("data", (chunk: Buffer) => {
      if (!this.#done) events.data(chunk, false);
    });
    response.on("end", () => {
      if (this.#done) return;
      this.#done = true;
      events.data(NO_BYTES, true);
    });
    response.on("error", () => this.#fault("reset"));
    response.on("close", () => this.#fault("reset"));
    if (this.#paused) response.pause();
  }

  #onError(error: Error, request: ClientRequest): void {
    const code = errnoOf(error) ?? "";
    // The server let an idle connection go at the moment it was used again: nothing of the request was seen.
    const stale = request.reusedSocket && !this.#sentBody && this.#head.end && STALE.has(code);
    if (stale && !this.#done && this.#response === undefined) {
      this.#request = this.#start();
      return;
    }
    const connected = request.socket !== null && !request.socket.connecting && !CONNECT_ERRORS.has(code);
    this.#fault(connected ? "reset" : "refused");
  }

  #fault(kind: "refused" | "reset"): void {
    if (this.#done) return;
    this.#done = true;
    this.#events.fault(kind);
  }
}

const STALE: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE"]);

/** A connection that was never there. */
const CONNECT_ERRORS: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
]);

interface HeadRules {
  /** Replaces the request's. */
  readonly host: string | undefined;
  readonly end: boolean;
}

function requestHeaders(headers: FlatHeaders, { host, end }: HeadRules): string[] {
  const authority = host ?? headerOf(headers, ":authority");
  const flat = authority === undefined ? [] : ["host", authority];
  let framed = false;
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? "";
    if (name.charCodeAt(0) === COLON || HOP_BY_HOP.has(name)) continue;
    if (name === "content-length") framed = true;
    flat.push(name, headers[at + 1] ?? "");
  }
  return framed ? flat : [...flat, ...framing(headers, end)];
}

/** How long the body is, where the headers do not tell. */
function framing(headers: FlatHeaders, end: boolean): readonly string[] {
  if (!end) return ["transfer-encoding", "chunked"];
  return BODILESS.has(headerOf(headers, ":method") ?? "GET") ? [] : ["content-length", "0"];
}

const COLON = 0x3a;
/** Methods whose requests seldom have a body; the others say that they have none. */
const BODILESS: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "TRACE", "OPTIONS", "CONNECT"]);

/** The URL's path before the request's: `/base/` and `/x?y` make `/base/x?y`. */
export function joinPaths(base: string, path: string): string {
  return base === "/" ? path : `${base.replace(/\/+$/u, "")}${path.startsWith("/") ? path : `/${path}`}`;
}
