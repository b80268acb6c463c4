import { headerOf } from "./flat-headers.ts";
import { NO_BYTES, type Upstream, type UpstreamCall, type UpstreamEvents } from "./http-side.ts";
import type { FlatHeaders } from "./messages.ts";

/** Bytes of a request's body that the answer shows. */
const MAX_SHOWN = 1024 * 1024;

/**
 * An upstream without a network: answers with what it saw, as JSON. Its paths, as at httpbin: `/status/418`,
 * `/delay/200` (milliseconds), `/bytes/1000`, `/stream/5` (lines, one each 100 ms), `/echo` (the body as it comes).
 */
export const echoService: Upstream = {
  name: "the echo service",
  send: (headers, end, events) => new EchoCall({ headers, end, events }),
  close: () => undefined,
};

interface EchoRequest {
  readonly headers: FlatHeaders;
  readonly end: boolean;
  readonly events: UpstreamEvents;
}

class EchoCall implements UpstreamCall {
  readonly #events: UpstreamEvents;
  readonly #headers: FlatHeaders;
  readonly #verb: string;
  readonly #argument: number;
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;
  #trailers: FlatHeaders = [];
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  constructor({ headers, end, events }: EchoRequest) {
    this.#events = events;
    this.#headers = headers;
    const match = COMMAND.exec(headerOf(headers, ":path") ?? "");
    this.#verb = match?.[1] ?? (PLAIN_ECHO.test(headerOf(headers, ":path") ?? "") ? "echo" : "");
    this.#argument = Number(match?.[2] ?? 0);
    // Nothing is told before `send` returned.
    queueMicrotask(() => this.#begin(end));
  }

  data(bytes: Uint8Array, end: boolean): boolean {
    if (this.#verb === "echo") queueMicrotask(() => this.#tell(() => this.#events.data(bytes, end)));
    else {
      if (this.#bytes < MAX_SHOWN && bytes.length > 0) this.#pieces.push(bytes.slice());
      this.#bytes += bytes.length;
      if (end) this.#answer();
    }
    return true;
  }

  trailers(trailers: FlatHeaders): void {
    if (this.#verb === "echo") return queueMicrotask(() => this.#tell(() => this.#events.trailers(trailers)));
    this.#trailers = trailers;
    this.#answer();
  }

  reset(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  pause(): void {
    // What it sends is small, or somebody else's and paused there.
  }

  #begin(end: boolean): void {
    if (this.#verb === "echo") {
      const type = headerOf(this.#headers, "content-type") ?? "application/octet-stream";
      this.#tell(() => this.#events.headers([":status", "200", "content-type", type], end));
    } else if (end) this.#answer();
  }

  #answer(): void {
    if (this.#verb === "stream") return this.#line(1);
    const wait = this.#verb === "delay" ? Math.min(this.#argument, MAX_DELAY_MS) : 0;
    if (wait > 0) this.#timer = setTimeout(() => this.#whole(), wait);
    else queueMicrotask(() => this.#whole());
  }

  #whole(): void {
    const status = this.#verb === "status" ? String(this.#argument) : "200";
    const random = this.#verb === "bytes";
    const body = random ? new Uint8Array(Math.min(this.#argument, MAX_BYTES)).fill(0x61) : this.#seen();
    const type = random ? "application/octet-stream" : "application/json";
    const length = String(body.length);
    const empty = status === "204" || status === "304";
    const end = empty || headerOf(this.#headers, ":method") === "HEAD";
    const headers = empty ? [] : ["content-type", type, "content-length", length];
    this.#tell(() => this.#events.headers([":status", status, ...headers], end));
    if (end) return;
    this.#tell(() => this.#events.data(body, false));
    this.#tell(() => this.#events.data(NO_BYTES, true));
  }

  #line(at: number): void {
    if (at === 1) this.#tell(() => this.#events.headers([":status", "200", "content-type", "text/plain"], false));
    const last = at >= Math.min(this.#argument, MAX_LINES);
    this.#tell(() => this.#events.data(Buffer.from(`line ${at}\n`), false));
    if (last) this.#tell(() => this.#events.data(NO_BYTES, true));
    else this.#timer = setTimeout(() => this.#line(at + 1), LINE_MS);
  }

  #seen(): Uint8Array {
    const body = Buffer.concat(this.#pieces).subarray(0, MAX_SHOWN);
    const text = body.toString("utf8");
    const isText = Buffer.from(text, "utf8").equals(body);
    const seen = {
      method: headerOf(this.#headers, ":method"),
      path: headerOf(this.#headers, ":path"),
      headers: readable(this.#headers),
      ...(this.#bytes === 0 ? {} : { bytes: this.#bytes }),
      ...(this.#bytes === 0 ? {} : isText ? { body: text } : { base64: body.toString("base64") }),
      ...(this.#trailers.length === 0 ? {} : { trailers: readable(this.#trailers) }),
    };
    return Buffer.from(`${JSON.stringify(seen, undefined, 2)}\n`);
  }

  #tell(tell: () => void): void {
    if (!this.#over) tell();
  }
}

const COMMAND = /^\/(status|delay|bytes|stream)\/(\d{1,7})(?:$|[/?])/u;
const PLAIN_ECHO = /^\/echo(?:$|[/?])/u;
const MAX_DELAY_MS = 60_000;
const MAX_BYTES = 10_000_000;
const MAX_LINES = 1000;
const LINE_MS = 100;

/** Header bytes as text; several values of a name as a list. */
function readable(headers: FlatHeaders): Record<string, string | string[]> {
  const object: Record<string, string | string[]> = {};
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? "";
    const value = Buffer.from(headers[at + 1] ?? "", "latin1").toString("utf8");
    const old = object[name];
    object[name] = old === undefined ? value : Array.isArray(old) ? [...old, value] : [old, value];
  }
  return object;
}
