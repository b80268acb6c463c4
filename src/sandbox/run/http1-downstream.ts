import type { IncomingMessage, ServerResponse } from "node:http";
import { lowerAscii } from "../../host/header-map.ts";
import { HOP_BY_HOP } from "./flat-headers.ts";
import { type Downstream, type DownstreamEvents, NO_BYTES, type RequestHead } from "./http-side.ts";
import type { Connection, FlatHeaders } from "./messages.ts";

/** The head of an HTTP/1.1 request in the order Envoy shows it: authority, path, method, scheme, then the others. */
export function http1Head({ rawHeaders, method = "GET", url = "/" }: IncomingMessage, from: Connection): RequestHead {
  const target = splitTarget(url);
  const headers = [":authority", target.authority ?? "", ":path", target.path, ":method", method];
  if (target.scheme !== undefined) headers.splice(2, 0, ":scheme", target.scheme);
  let end = true;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = lowerAscii(rawHeaders[at] ?? "");
    const value = rawHeaders[at + 1] ?? "";
    if (name !== "host") headers.push(name, value);
    else if (headers[1] === "") headers[1] = value;
    if (announcesBody(name, value)) end = false;
  }
  return { headers, end, protocol: "HTTP/1.1", from };
}

function announcesBody(name: string, value: string): boolean {
  return name === "transfer-encoding" || (name === "content-length" && Number(value) !== 0);
}

/** A target in absolute form names the host, and wins over the header (RFC 9112, 3.2.2). */
function splitTarget(url: string): Target {
  const match = ABSOLUTE.exec(url);
  if (match === null) return { path: url, authority: undefined, scheme: undefined };
  const [, scheme = "", authority = "", path = ""] = match;
  return { path: path.startsWith("/") ? path : `/${path}`, authority, scheme: scheme.toLowerCase() };
}

interface Target {
  readonly path: string;
  /** What only a target in absolute form says; otherwise the exchange finds the scheme, by `x-forwarded-proto`. */
  readonly authority: string | undefined;
  readonly scheme: string | undefined;
}

const ABSOLUTE = /^(https?):\/\/([^/?#]+)(.*)$/iu;

/** The client of one HTTP/1.1 request. */
export class Http1Downstream implements Downstream {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #wrote = false;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  /** Starts to tell what comes; `end` is the head's. */
  listen(events: DownstreamEvents, end: boolean): void {
    const [request, response] = [this.#request, this.#response];
    response.on("close", () => {
      if (!response.writableFinished) events.gone();
    });
    response.on("drain", () => events.drained());
    if (end) return;
    request.on("data", (chunk: Buffer) => events.data(chunk, false));
    // Envoy drops trailers of HTTP/1, both ways.
    request.on("end", () => events.data(NO_BYTES, true));
    request.on("error", () => undefined); // the response's close tells it
  }

  headers(headers: FlatHeaders, end: boolean): void {
    const response = this.#response;
    const { status, flat, length, closes } = responseHeaders(headers);
    const bodyless = this.#request.method === "HEAD" || status === 204 || status === 304 || status < 200;
    if (end && length === undefined && !bodyless) flat.push("content-length", "0");
    // A client would take 1xx for a word in between, and wait; less cannot be written here.
    if (status > 999 || status < 200) return this.reset();
    // Node would say that the connection is kept; Envoy says only when it is not.
    if (response.shouldKeepAlive && !closes) response.removeHeader("connection");
    response.writeHead(status, flat);
    if (end) return this.#finish();
    // Headers go out with what follows them in this turn; alone only when nothing does.
    process.nextTick(() => {
      // As bytes: `flushHeaders` would encode them as UTF-8.
      if (!this.#wrote) response.write(NO_BYTES);
    });
  }

  data(bytes: Uint8Array, end: boolean): boolean {
    this.#wrote ||= end || bytes.length > 0;
    if (!end) return bytes.length === 0 || this.#response.write(bytes);
    if (bytes.length === 0) this.#response.end();
    else this.#response.end(bytes);
    return true;
  }

  trailers(_trailers: FlatHeaders): void {
    this.#finish();
  }

  reset(): void {
    this.#wrote = true;
    this.#response.destroy();
    this.#request.socket.destroy();
  }

  pause(paused: boolean): void {
    if (paused) this.#request.pause();
    else this.#request.resume();
  }

  #finish(): void {
    this.#wrote = true;
    this.#response.end();
  }
}

interface ResponseParts {
  readonly status: number;
  /** What goes on the wire. */
  readonly flat: string[];
  readonly length: string | undefined;
  /** The connection ends with this response: Envoy wants that after an answer to half a request. */
  readonly closes: boolean;
}

function responseHeaders(headers: FlatHeaders): ResponseParts {
  const flat: string[] = [];
  let status = 0;
  let length: string | undefined;
  let closes = false;
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? "";
    const value = headers[at + 1] ?? "";
    if (name === ":status") status = Number(value) || 0;
    else if (name.charCodeAt(0) !== COLON && !HOP_BY_HOP.has(name)) flat.push(name, value);
    if (name === "content-length") length = value;
    if (name === "connection" && lowerAscii(value) === "close") closes = true;
  }
  if (closes) flat.push("connection", "close");
  return { status, flat, length, closes };
}

const COLON = 0x3a;
