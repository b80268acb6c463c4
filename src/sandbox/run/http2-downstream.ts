import { constants, type ServerHttp2Stream } from "node:http2";
import { HOP_BY_HOP } from "./flat-headers.ts";
import type { Downstream, DownstreamEvents, RequestHead } from "./http-side.ts";
import { LastPieceReader } from "./last-piece-reader.ts";
import type { Connection, FlatHeaders } from "./messages.ts";

/** The head of an HTTP/2 request: path, method, authority, scheme first, as Envoy shows it. */
export function http2Head(stream: ServerHttp2Stream, raw: readonly string[], from: Connection): RequestHead {
  const pseudo = new Map<string, string>();
  const others: string[] = [];
  let authority: string | undefined;
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? "";
    const value = raw[at + 1] ?? "";
    if (name.startsWith(":")) pseudo.set(name, value);
    else if (name === "host") authority ??= value;
    else others.push(name, value);
  }
  const first = [":path", ":method", ":authority", ":scheme"].flatMap((name) => {
    const value = pseudo.get(name) ?? (name === ":authority" ? authority : undefined);
    return value === undefined ? [] : [name, value];
  });
  return {
    headers: [...first, ...others],
    end: stream.endAfterHeaders,
    protocol: "HTTP/2",
    from,
  };
}

/** The client of one HTTP/2 request. */
export class Http2Downstream implements Downstream {
  readonly #stream: ServerHttp2Stream;
  #trailers: FlatHeaders | undefined;
  #ended = false;

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
  }

  /** Starts to tell what comes; `end` is the head's. */
  listen(events: DownstreamEvents, end: boolean): void {
    const stream = this.#stream;
    stream.on("error", () => undefined); // close tells it
    stream.on("close", () => {
      if (!this.#ended || stream.rstCode !== constants.NGHTTP2_NO_ERROR) events.gone();
    });
    stream.on("drain", () => events.drained());
    stream.on("wantTrailers", () => {
      try {
        stream.sendTrailers(headerObject(this.#trailers ?? []));
      } catch {
        this.reset();
      }
    });
    if (!end) new LastPieceReader(stream, events).start();
  }

  headers(headers: FlatHeaders, end: boolean): void {
    if (this.#stream.destroyed) return;
    this.#ended = end;
    this.#stream.respond(headerObject(headers), { endStream: end, waitForTrailers: !end });
  }

  data(bytes: Uint8Array, end: boolean): boolean {
    if (this.#stream.destroyed) return true;
    const flowing = bytes.length === 0 || this.#stream.write(bytes);
    if (end) this.#finish();
    return flowing;
  }

  trailers(trailers: FlatHeaders): void {
    this.#trailers = trailers;
    this.#finish();
  }

  reset(): void {
    this.#ended = true;
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  pause(paused: boolean): void {
    if (paused) this.#stream.pause();
    else this.#stream.resume();
  }

  #finish(): void {
    this.#ended = true;
    this.#stream.end();
  }
}

/** Headers as Node's HTTP/2 takes them; values of one name become a list. */
export function headerObject(headers: FlatHeaders): Record<string, string | string[]> {
  const object: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? "";
    const value = headers[at + 1] ?? "";
    if (HOP_BY_HOP.has(name)) continue;
    const old = object[name];
    if (old === undefined) object[name] = value;
    else if (Array.isArray(old)) old.push(value);
    else object[name] = [old, value];
  }
  return object;
}
