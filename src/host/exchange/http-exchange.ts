import { BodyBuffer } from "../body-buffer.ts";
import type { HeaderMap } from "../header-map.ts";
import type { StreamInfo } from "../stream-info.ts";
import type { ExchangeOptions } from "./exchange-options.ts";
import { ExchangeStream, streamInfoFor } from "./exchange-stream.ts";
import type { Phase } from "./filter-side.ts";
import { statusOf } from "./header-checks.ts";
import { requestId } from "./request-id.ts";
import { admissionReply, admitRequest } from "./request-rules.ts";
import { ResponseFlag } from "./response-flags.ts";
import { failureAnswer, PROTOCOL_ERROR, type UpstreamFailure } from "./upstream-failure.ts";

export type { DownstreamSink, ExchangeOptions, UpstreamSink } from "./exchange-options.ts";
export type { UpstreamFailure } from "./upstream-failure.ts";

/** A place where filters hold a stream. */
export type PausedIn = `${"request" | "response"} ${Phase}`;

/**
 * One request and its response on their way through a chain of filters, as Envoy's connection manager, filter manager and
 * router take them: iteration, buffering, local replies, header rules. Synchronous and without I/O: a driver tells it what
 * came from either side, and it tells the sinks, from within the same calls or from within a callout's delivery, what to
 * send. Calls that come too late (after the end, or for a half that is over) do nothing.
 */
export class HttpExchange {
  readonly info: StreamInfo;
  readonly #options: ExchangeOptions;
  #stream: ExchangeStream | undefined;
  #gone = false;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.info = streamInfoFor(options);
  }

  /** True when nothing will be sent any more, and the filters are gone. */
  get ended(): boolean {
    return this.#gone || this.#stream?.ended === true;
  }

  /** Where filters hold the stream now. */
  get pausedIn(): PausedIn[] {
    const stream = this.#stream;
    if (stream === undefined || stream.ended) return [];
    const request = stream.localComplete ? [] : stream.request.paused;
    return [
      ...request.map((phase) => `request ${phase}` as const),
      ...stream.response.paused.map((phase) => `response ${phase}` as const),
    ];
  }

  /** The request begins; once. The map belongs to the exchange from now on. */
  requestHeaders(headers: HeaderMap, endStream: boolean): void {
    if (this.ended || this.#stream !== undefined) return;
    admitRequest(headers, () => requestId(this.#options.random));
    this.info.requestHeaderBytes = headers.byteSize;
    const stream = new ExchangeStream(this.#options, this.info, headers);
    this.#stream = stream;
    stream.requestComplete = endStream;
    const refusal = admissionReply(headers);
    if (refusal === undefined) stream.request.headers(undefined, headers, endStream);
    else stream.sendLocalReply(refusal);
  }

  /** A piece of the request body. HTTP/1 ends with an empty piece of its own, HTTP/2 with the last one. */
  requestData(bytes: Uint8Array, endStream: boolean): void {
    const stream = this.#stream;
    if (stream === undefined || stream.ended || stream.requestComplete) return;
    stream.requestComplete = endStream;
    this.info.requestBytes += bytes.length;
    stream.request.data(undefined, new BodyBuffer(bytes), endStream);
  }

  requestTrailers(trailers: HeaderMap): void {
    const stream = this.#stream;
    if (stream === undefined || stream.ended || stream.requestComplete) return;
    stream.requestComplete = true;
    stream.requestTrailers = trailers;
    stream.request.trailers(undefined, trailers);
  }

  /** The client is gone. */
  downstreamReset(): void {
    this.#gone = true;
    const stream = this.#stream;
    if (stream === undefined || stream.ended) return;
    this.info.responseFlags |= ResponseFlag.downstreamConnectionTermination;
    this.info.responseCodeDetails = "downstream_remote_disconnect";
    stream.localComplete = true;
    stream.end();
  }

  /** The upstream answers. Answers of 1xx are left out, as Envoy does by default. */
  responseHeaders(headers: HeaderMap, endStream: boolean): void {
    const stream = this.#answerable();
    if (stream === undefined || stream.responseHeaders !== undefined) return;
    const status = statusOf(headers);
    if (status === undefined) {
      stream.failUpstream(PROTOCOL_ERROR);
      return;
    }
    if (status >= 100 && status < 200) return;
    const { upstream } = stream;
    upstream.answered = true;
    if (upstream.sentAll !== undefined) {
      const waited = (this.#options.clock.monotonic() - upstream.sentAll) / 1_000_000n;
      headers.put("x-envoy-upstream-service-time", String(waited));
    }
    this.info.responseCode = status;
    this.info.responseCodeDetails = "via_upstream";
    stream.responseHeaders = headers;
    this.#upstreamSaid(stream, endStream);
    stream.response.headers(undefined, headers, endStream);
  }

  responseData(bytes: Uint8Array, endStream: boolean): void {
    const stream = this.#answerable();
    if (stream === undefined || !stream.upstream.answered) return;
    this.#upstreamSaid(stream, endStream);
    stream.response.data(undefined, new BodyBuffer(bytes), endStream);
  }

  responseTrailers(trailers: HeaderMap): void {
    const stream = this.#answerable();
    if (stream === undefined || !stream.upstream.answered) return;
    stream.responseTrailers = trailers;
    this.#upstreamSaid(stream, true);
    stream.response.trailers(undefined, trailers);
  }

  /** The upstream could not be reached, broke off, or took too long. */
  upstreamReset(kind: UpstreamFailure): void {
    this.#answerable()?.failUpstream(failureAnswer(kind));
  }

  /** The stream when the upstream may still say something. */
  #answerable(): ExchangeStream | undefined {
    const stream = this.#stream;
    if (stream === undefined || stream.ended || stream.localComplete) return undefined;
    return stream.upstream.began === undefined || stream.upstream.complete ? undefined : stream;
  }

  #upstreamSaid(stream: ExchangeStream, endStream: boolean): void {
    if (!endStream) return;
    stream.localComplete = true;
    stream.upstream.complete = true;
    const { began } = stream.upstream;
    if (began !== undefined) this.info.backendLatency = this.#options.clock.monotonic() - began;
  }
}
