import type { BodyBuffer } from "../body-buffer.ts";
import type { HeaderMap } from "../header-map.ts";
import type { LocalReply } from "../http-filter.ts";
import type { StreamInfo } from "../stream-info.ts";
import { LengthGuard } from "./content-length.ts";
import type { HalfOwner } from "./half.ts";
import type { LiveStream } from "./live-stream.ts";
import { entryFault, responseFault, statusOf, strangePseudo, withoutFaults } from "./header-checks.ts";
import { spaceless } from "./request-rules.ts";
import { finishResponse } from "./response-rules.ts";

/** The response half's view of its stream; its far end is the client. */
export class ResponseOwner implements HalfOwner {
  readonly #stream: LiveStream;
  #guard: LengthGuard | undefined;

  constructor(stream: LiveStream) {
    this.#stream = stream;
  }

  headers(): HeaderMap | undefined {
    return this.#stream.responseHeaders;
  }

  trailers(): HeaderMap | undefined {
    return this.#stream.responseTrailers;
  }

  complete(): boolean {
    return this.#stream.localComplete;
  }

  open(): boolean {
    return !this.#stream.ended;
  }

  interrupted(): boolean {
    return this.#stream.ended;
  }

  calling(): void {
    // A reply from within a callback of the response goes past the filters, and so at once.
  }

  deliverHeaders(headers: HeaderMap, endStream: boolean): void {
    const stream = this.#stream;
    if (stream.ended) return;
    const fault = responseFault(headers);
    if (fault === undefined) this.sendHeaders(headers, endStream);
    else {
      const details = `filter_removed_required_response_headers{${spaceless(fault)}}`;
      stream.sendLocalReply({ ...BAD_GATEWAY, body: new TextEncoder().encode(fault), details });
    }
  }

  /** Sends headers as they are, with what Envoy adds to every response. */
  sendHeaders(headers: HeaderMap, endStream: boolean): void {
    const stream = this.#stream;
    const { info, options } = stream;
    finishResponse(headers, options.clock.now());
    if (!stream.requestComplete && isHttp1(info)) headers.put("connection", "close");
    info.responseCode = statusOf(headers);
    info.responseHeaderBytes = headers.byteSize;
    stream.headersSent = true;
    this.#guard = new LengthGuard(headers, {
      bodiless: stream.head || info.responseCode === 204 || info.responseCode === 304,
      strict: !isHttp1(info),
    });
    const last = endStream && !this.#guard.broken;
    options.downstream.headers(this.#framed(this.#sendable(headers), last), last);
    if (endStream) this.#finish();
  }

  deliverData(data: BodyBuffer, endStream: boolean): void {
    const stream = this.#stream;
    if (stream.ended) return;
    const bytes = this.#guard?.take(data.take()) ?? NOTHING;
    stream.info.responseBytes += bytes.length;
    const last = endStream && this.#guard?.broken !== true;
    if (bytes.length > 0 || last) stream.options.downstream.data(bytes, last);
    if (endStream) this.#finish();
  }

  deliverTrailers(trailers: HeaderMap): void {
    const { ended, info, options } = this.#stream;
    if (ended) return;
    if (this.#guard?.broken !== true) {
      if (isHttp1(info) && options.http1Trailers !== true) options.downstream.data(NOTHING, true);
      else options.downstream.trailers(this.#sendable(trailers));
    }
    this.#finish();
  }

  crossedWatermark(above: boolean): void {
    const stream = this.#stream;
    if (stream.ended) return;
    if (!above || stream.response.held.streaming) {
      stream.options.upstream.pause(above);
      return;
    }
    stream.report("warning", "buffer-limit", "the response body held back exceeds the buffer limit");
    stream.sendLocalReply(TOO_LARGE);
  }

  continuedInCircle(): void {
    const message = "a filter continued the response whenever it was given its body, which gives it the same again";
    this.#stream.fault("continue-in-circle", `${message}: Envoy never comes back`);
  }

  continuedTwice(): void {
    const message = "a filter continued the response in its headers callback and answered Continue as well";
    this.#stream.fault("continue-and-continue", `${message}: Envoy resets the stream`);
  }

  /** What of the entries may be sent. Envoy writes all to an HTTP/1 client, line ends in values as well. */
  #sendable(headers: HeaderMap): HeaderMap {
    const fault = entryFault(headers) ?? strangePseudo(headers);
    if (fault === undefined) return headers;
    this.#stream.report("warning", "invalid-header", `a header of the response was left out: ${fault}`);
    return withoutFaults(headers);
  }

  /** HTTP/1 says of a response that has no body that it has none. */
  #framed(headers: HeaderMap, last: boolean): HeaderMap {
    const { head, info } = this.#stream;
    const status = info.responseCode ?? 0;
    const silent = head || status < 200 || status === 204 || status === 304;
    if (!last || silent || !isHttp1(info) || headers.has("content-length")) return headers;
    const framed = headers.clone();
    framed.add("content-length", "0");
    return framed;
  }

  /** Ends the stream; filters do not see what the client makes of a body of the wrong length. */
  #finish(): void {
    const stream = this.#stream;
    if (this.#guard?.broken === true) stream.options.downstream.reset("content_length_mismatch");
    stream.end();
  }
}

function isHttp1(info: StreamInfo): boolean {
  return !info.protocol.startsWith("HTTP/2");
}

const NOTHING = new Uint8Array(0);

const BAD_GATEWAY = { status: 502, headers: [], grpcStatus: undefined } as const;

const TOO_LARGE: LocalReply = {
  status: 500,
  body: new TextEncoder().encode("Internal Server Error"),
  headers: [],
  grpcStatus: undefined,
  details: "response_payload_too_large",
};
