import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { headerOf, lowerNames } from "./flat-headers.ts";
import type { Upstream, UpstreamCall, UpstreamEvents } from "./http-side.ts";
import { joinPaths, type UpstreamOptions } from "./http1-upstream.ts";
import { headerObject } from "./http2-downstream.ts";
import { LastPieceReader } from "./last-piece-reader.ts";
import type { FlatHeaders } from "./messages.ts";

/** An upstream spoken to in HTTP/2: `h2c:` in clear text by prior knowledge, `https:` by TLS. One connection for all. */
export function http2Upstream(options: UpstreamOptions): Upstream {
  const { url } = options;
  const origin = url.protocol === "h2c:" ? `http://${url.host}` : url.origin;
  let session: ClientHttp2Session | undefined;
  const open = (): ClientHttp2Session => {
    if (session !== undefined && !session.closed && !session.destroyed) return session;
    const fresh = connect(origin);
    fresh.on("error", () => undefined); // every stream is told
    fresh.on("goaway", () => fresh.close());
    session = fresh;
    return fresh;
  };
  return {
    name: url.protocol === "h2c:" ? `h2c://${url.host}` : url.origin,
    send: (headers, end, events) => new Http2Call(open(), { ...options, headers, end }, events),
    close: () => session?.close(),
  };
}

interface Http2Request extends UpstreamOptions {
  readonly headers: FlatHeaders;
  readonly end: boolean;
}

class Http2Call implements UpstreamCall {
  readonly #stream: ClientHttp2Stream;
  #trailers: FlatHeaders = [];
  #done = false;

  constructor(session: ClientHttp2Session, request: Http2Request, events: UpstreamEvents) {
    const { end } = request;
    const stream = session.request(requestObject(request), { endStream: end, waitForTrailers: !end });
    this.#stream = stream;
    stream.on("response", (_headers, flags: number, raw?: readonly string[]) => {
      const last = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      if (last) this.#done = true;
      events.headers(lowerNames(raw ?? []), last);
      if (last) stream.resume();
    });
    new LastPieceReader(stream, {
      data: (bytes, last) => this.#tell(last, () => events.data(bytes, last)),
      trailers: (trailers) => this.#tell(true, () => events.trailers(trailers)),
    }).start();
    stream.on("drain", () => events.drained());
    stream.on("wantTrailers", () => {
      try {
        stream.sendTrailers(headerObject(this.#trailers));
      } catch {
        stream.close(constants.NGHTTP2_INTERNAL_ERROR); // close tells it
      }
    });
    stream.on("error", () => undefined); // close tells it
    stream.on("close", () => {
      if (this.#done) return;
      this.#done = true;
      const refused = session.connecting || stream.id === undefined;
      events.fault(refused ? "refused" : stream.rstCode === constants.NGHTTP2_NO_ERROR ? "reset" : "remote-reset");
    });
  }

  data(bytes: Uint8Array, end: boolean): boolean {
    if (this.#stream.destroyed) return true;
    const flowing = bytes.length === 0 || this.#stream.write(bytes);
    if (end) this.#stream.end();
    return flowing;
  }

  trailers(trailers: FlatHeaders): void {
    this.#trailers = trailers;
    this.#stream.end();
  }

  reset(): void {
    this.#done = true;
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  pause(paused: boolean): void {
    if (paused) this.#stream.pause();
    else this.#stream.resume();
  }

  #tell(last: boolean, tell: () => void): void {
    if (this.#done) return;
    this.#done = last;
    tell();
  }
}

function requestObject({ headers, url, rewrite }: Http2Request): Record<string, string | string[]> {
  const object = headerObject(headers);
  object[":scheme"] = url.protocol === "https:" ? "https" : "http";
  if (rewrite) {
    object[":authority"] = url.host;
    object[":path"] = joinPaths(url.pathname, headerOf(headers, ":path") ?? "/");
  }
  return object;
}
