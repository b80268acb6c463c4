import type { BodyBuffer } from "../body-buffer.ts";
import type { HeaderMap } from "../header-map.ts";
import type { LocalReply } from "../http-filter.ts";
import { ContentLength } from "./content-length.ts";
import type { HalfOwner } from "./half.ts";
import type { LiveStream } from "./live-stream.ts";
import { responseFault, statusOf } from "./header-checks.ts";
import { spaceless } from "./request-rules.ts";
import { finishResponse } from "./response-rules.ts";

/** The response half's view of its stream; its far end is the client. */
export class ResponseOwner implements HalfOwner {
  readonly #stream: LiveStream;
  #length: ContentLength | undefined;

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
    return this.#stream.ended || this.#stream.responseAborted;
  }

  calling(begins: boolean): void {
    this.#stream.responseCalls += begins ? 1 : -1;
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
    finishResponse(headers, stream.options.clock.now());
    if (!stream.requestComplete && stream.info.protocol.startsWith("HTTP/1")) headers.put("connection", "close");
    stream.info.responseCode = statusOf(headers);
    stream.info.responseHeaderBytes = headers.byteSize;
    stream.headersSent = true;
    this.#length = new ContentLength(headers, stream.head || isBodiless(stream.info.responseCode));
    stream.options.downstream.headers(headers, endStream);
    if (endStream) this.#finish();
  }

  deliverData(data: BodyBuffer, endStream: boolean): void {
    const stream = this.#stream;
    if (stream.ended) return;
    const all = stream.head ? NOTHING : data.take();
    const fits = this.#length?.take(all.length) ?? all.length;
    const bytes = fits === all.length ? all : all.subarray(0, fits);
    stream.info.responseBytes += bytes.length;
    const last = endStream && fits === all.length && this.#missing === 0;
    if (bytes.length > 0 || last) stream.options.downstream.data(bytes, last);
    if (fits < all.length) this.#wrongLength("longer");
    else if (endStream) this.#finish();
  }

  deliverTrailers(trailers: HeaderMap): void {
    const stream = this.#stream;
    if (stream.ended) return;
    stream.options.downstream.trailers(trailers);
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

  continuedTwice(): void {
    const message = "a filter continued the response in its headers callback and answered Continue as well";
    this.#stream.fault("continue-and-continue", `${message}: Envoy resets the stream`);
  }

  get #missing(): number {
    return this.#length?.missing ?? 0;
  }

  #finish(): void {
    if (this.#missing > 0) this.#wrongLength("shorter");
    else this.#stream.end();
  }

  /** The client reads as much as was announced, so there is no way to go on. */
  #wrongLength(body: "longer" | "shorter"): void {
    const stream = this.#stream;
    const message = `the response body is ${body} than its content-length, which a filter that changes the body has to remove`;
    stream.report("warning", "content-length-left", message);
    stream.reset("content_length_mismatch");
  }
}

const NOTHING = new Uint8Array(0);

function isBodiless(status: number | undefined): boolean {
  return status === 204 || status === 304;
}

const BAD_GATEWAY = { status: 502, headers: [], grpcStatus: undefined } as const;

const TOO_LARGE: LocalReply = {
  status: 500,
  body: new TextEncoder().encode("Internal Server Error"),
  headers: [],
  grpcStatus: undefined,
  details: "response_payload_too_large",
};
