import { BodyBuffer } from "../body-buffer.ts";
import type { HeaderMap } from "../header-map.ts";
import type { StreamInfo } from "../stream-info.ts";
import type { ExchangeOptions } from "./exchange-options.ts";
import { ExchangeStream, streamInfoFor } from "./exchange-stream.ts";
import type { Phase } from "./filter-side.ts";
import { statusOf } from "./header-checks.ts";
import { requestId } from "./request-id.ts";
import { admissionReply, admitRequest, joinCookies, upgradeReply } from "./request-rules.ts";
import { ResponseFlag } from "./response-flags.ts";
import type { UpstreamFailure } from "./upstream-failure.ts";

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
    const { info } = this;
    if (info.protocol === "HTTP/2") joinCookies(headers);
    info.requestHeaderBytes = headers.byteSize;
    const refusal = admissionReply(headers);
    const admission = { secure: info.tls.tlsVersion !== undefined, requestId: () => requestId(this.#options.random) };
    if (refusal === undefined) admitRequest(headers, admission);
    const upgrade = refusal === undefined ? upgradeReply(headers) : undefined;
    const stream = new ExchangeStream(this.#options, info, headers);
    this.#stream = stream;
    // Whoever asks for another protocol has not said its last.
    stream.requestComplete = endStream && upgrade === undefined;
    const reply = refusal ?? upgrade;
    if (reply === undefined) stream.request.headers(undefined, headers, endStream);
    else stream.sendLocalReply(reply);
  }

  /** A piece of the request body; an empty one counts as the last only. HTTP/1 ends with an empty piece of its own, HTTP/2 with the last one. */
  requestData(bytes: Uint8Array, endStream: boolean): void {
    const stream = this.#stream;
    if (stream === undefined || stream.ended || stream.requestComplete) return;
    if (bytes.length === 0 && !endStream) return;
    stream.requestComplete = endStream;
    this.info.requestBytes += bytes.length;
    stream.request.data(undefined, new BodyBuffer(bytes), endStream);
  }

  /** The request's trailers, which end it; see `http1Trailers`. */
  requestTrailers(trailers: HeaderMap): void {
    const stream = this.#stream;
    if (stream === undefined || stream.ended || stream.requestComplete) return;
    if (this.info.protocol.startsWith("HTTP/1") && this.#options.http1Trailers !== true) {
      this.requestData(new Uint8Array(0), true);
      return;
    }
    stream.requestComplete = true;
    stream.requestTrailers = trailers;
    stream.request.trailers(undefined, trailers);
  }

  /** The client is gone: by default an HTTP/1 client's connection is closed, an HTTP/2 client's stream reset. */
  downstreamReset(how: "disconnect" | "reset" = this.info.protocol === "HTTP/2" ? "reset" : "disconnect"): void {
    this.#gone = true;
    const stream = this.#stream;
    if (stream === undefined || stream.ended) return;
    const [flag, details] = GONE[how];
    this.info.responseFlags |= flag;
    this.info.responseCodeDetails = details;
    stream.localComplete = true;
    stream.end();
  }

  /** The upstream answers. Answers of 1xx are left out, as Envoy does by default. */
  responseHeaders(headers: HeaderMap, endStream: boolean): void {
    const stream = this.#answerable();
    if (stream === undefined || stream.responseHeaders !== undefined) return;
    const status = statusOf(headers);
    if (status === undefined || status === SWITCHING_PROTOCOLS || hasLengthOfNothing(status, headers)) {
      stream.failUpstream("protocol");
      return;
    }
    if (status >= 100 && status < 200) return;
    if (status === NO_CONTENT) headers.remove("content-length");
    // Seen so with HTTP/1 clients only.
    if (!this.info.protocol.startsWith("HTTP/2")) headers.remove("keep-alive");
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
    if (bytes.length === 0 && !endStream) return;
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
    this.#answerable()?.failUpstream(kind);
  }

  /** The stream when the upstream may still say something. */
  #answerable(): ExchangeStream | undefined {
    const stream = this.#stream;
    if (stream === undefined || stream.ended || stream.localComplete) return undefined;
    return stream.upstream.began === undefined ? undefined : stream;
  }

  #upstreamSaid(stream: ExchangeStream, endStream: boolean): void {
    if (!endStream) return;
    stream.localComplete = true;
    stream.upstream.complete = true;
    const { began } = stream.upstream;
    if (began !== undefined) this.info.backendLatency = this.#options.clock.monotonic() - began;
  }
}

/** An answer without content must not announce any; a length of 0 is overlooked. */
function hasLengthOfNothing(status: number, headers: HeaderMap): boolean {
  return status === NO_CONTENT && (headers.get("content-length") ?? "0") !== "0";
}

/** What is said of a client that left. */
const GONE = {
  disconnect: [ResponseFlag.downstreamConnectionTermination, "downstream_remote_disconnect"],
  reset: [ResponseFlag.downstreamRemoteReset, "http2.remote_reset"],
} as const;

const NO_CONTENT = 204;

/** Of no use where no upgrade was asked for. */
const SWITCHING_PROTOCOLS = 101;
