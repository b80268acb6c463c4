import { BodyBuffer } from "../body-buffer.ts";
import type { HeaderMap } from "../header-map.ts";
import type { HostReport } from "../host-report.ts";
import type { HttpFilter, LocalReply } from "../http-filter.ts";
import { newStreamInfo, type StreamInfo } from "../stream-info.ts";
import type { ExchangeOptions } from "./exchange-options.ts";
import { DecodeSide, EncodeSide } from "./filter-side.ts";
import { FilterCallbacks } from "./filter-callbacks.ts";
import { grpcStatusOf, isGrpcRequest } from "./grpc-status.ts";
import { Half } from "./half.ts";
import type { LiveStream, UpstreamProgress } from "./live-stream.ts";
import { replyMessage } from "./local-reply.ts";
import { RequestOwner } from "./request-owner.ts";
import { ResponseOwner } from "./response-owner.ts";
import { failureAnswer, type UpstreamFailure } from "./upstream-failure.ts";

/** One stream with its filters, made when the request headers come. */
export class ExchangeStream implements LiveStream {
  readonly options: ExchangeOptions;
  readonly info: StreamInfo;
  readonly request: Half;
  readonly response: Half;
  readonly requestHeaders: HeaderMap;
  requestTrailers: HeaderMap | undefined;
  responseHeaders: HeaderMap | undefined;
  responseTrailers: HeaderMap | undefined;
  readonly head: boolean;
  readonly #grpc: boolean;
  requestComplete = false;
  localComplete = false;
  headersSent = false;
  ended = false;
  readonly upstream: UpstreamProgress = { began: undefined, sentAll: undefined, answered: false, complete: false };
  requestCalls = 0;
  requestAborted = false;
  readonly #filters: readonly HttpFilter[];
  #prepared: LocalReply | undefined;

  constructor(options: ExchangeOptions, info: StreamInfo, headers: HeaderMap) {
    this.options = options;
    this.info = info;
    this.requestHeaders = headers;
    this.head = headers.get(":method") === "HEAD";
    this.#grpc = isGrpcRequest(headers);
    this.#filters = options.filters.map((factory) => factory.createHttpFilter());
    const limit = options.bufferLimit ?? (info.protocol === "HTTP/2" ? BUFFER_LIMIT_HTTP2 : BUFFER_LIMIT);
    const decode = this.#filters.map((filter, index) => new DecodeSide(filter, index));
    const encode = this.#filters.toReversed().map((filter, index) => new EncodeSide(filter, index));
    this.request = new Half(decode, new RequestOwner(this), limit);
    this.response = new Half(encode, new ResponseOwner(this), limit);
    for (const [index, filter] of this.#filters.entries()) {
      const [request, response] = [decode[index], encode[encode.length - 1 - index]];
      if (request !== undefined && response !== undefined) {
        filter.attach(new FilterCallbacks(this, request, response));
      }
    }
  }

  sendLocalReply(reply: LocalReply): void {
    if (this.ended) return;
    const inRequest = this.requestCalls > 0;
    if (inRequest) this.requestAborted = true;
    this.info.responseCodeDetails = reply.details;
    if (this.responseHeaders === undefined) {
      this.info.responseCode = (this.#prepared ?? reply).status;
      // Filters must not be called from within each other: the reply waits until this one has returned. A second one
      // is ignored, but for its details.
      if (inRequest) this.#prepared ??= reply;
      else this.#replyThroughFilters(reply);
    } else if (this.headersSent) this.reset(reply.details);
    else this.#replyDirectly(reply);
  }

  sendPrepared(): void {
    const reply = this.#prepared;
    this.#prepared = undefined;
    if (reply !== undefined && !this.ended) this.#replyThroughFilters(reply);
  }

  /** Answers for an upstream that failed. */
  failUpstream(failure: UpstreamFailure): void {
    const answer = failureAnswer(failure, this.upstream.answered);
    this.info.responseFlags |= answer.flag;
    this.upstream.complete = true;
    this.upstream.sentAll ??= this.options.clock.monotonic();
    this.sendLocalReply(answer.reply);
  }

  reset(details: string): void {
    if (this.ended) return;
    this.info.responseCodeDetails ??= details;
    this.localComplete = true;
    this.options.downstream.reset(this.info.responseCodeDetails);
    this.end();
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    const { info, requestHeaders, responseHeaders, responseTrailers } = this;
    info.endTime = this.options.clock.now();
    info.grpcStatus = grpcStatusOf(responseHeaders, responseTrailers, info.responseCode);
    for (const filter of this.#filters) filter.log({ requestHeaders, responseHeaders, responseTrailers });
    for (const filter of this.#filters) filter.destroy();
    const { began, sentAll, complete } = this.upstream;
    if (began !== undefined && !(complete && sentAll !== undefined)) this.options.upstream.reset();
  }

  fault(code: HostReport["code"], message: string): void {
    this.report("fault", code, message);
    this.reset(`wasme_${code.replaceAll("-", "_")}`);
  }

  report(severity: HostReport["severity"], code: HostReport["code"], message: string): void {
    this.options.report?.({
      code,
      severity,
      message,
      plugin: undefined,
      contextId: undefined,
      callback: undefined,
    });
  }

  #replyThroughFilters(reply: LocalReply): void {
    const { headers, body } = replyMessage(reply, { grpc: this.#grpc, head: this.head });
    const bare = body.length === 0;
    this.responseHeaders = headers;
    this.localComplete = bare;
    this.response.headers(undefined, headers, bare);
    if (bare || this.ended) return;
    this.localComplete = true;
    this.response.data(undefined, new BodyBuffer(body), true);
  }

  #replyDirectly(reply: LocalReply): void {
    const { headers, body } = replyMessage(reply, { grpc: this.#grpc, head: this.head });
    const bare = body.length === 0;
    this.responseHeaders = headers;
    this.responseTrailers = undefined;
    this.localComplete = true;
    const client = new ResponseOwner(this);
    client.sendHeaders(headers, bare);
    if (!bare && !this.ended) client.deliverData(new BodyBuffer(body), true);
  }
}

/** The info of a stream that is about to begin. */
export function streamInfoFor(options: ExchangeOptions): StreamInfo {
  const { clock, info, route } = options;
  const made = newStreamInfo(clock.now(), info);
  // Set one by one: spreading two objects into one costs several microseconds, and objects that live long.
  if (route !== undefined) {
    made.routeName = info?.routeName ?? route.name;
    made.clusterName = info?.clusterName ?? route.cluster;
  }
  return made;
}

/** Envoy's `per_connection_buffer_limit_bytes`. */
const BUFFER_LIMIT = 1024 * 1024;

/** Envoy's `initial_stream_window_size`. */
const BUFFER_LIMIT_HTTP2 = 16 * 1024 * 1024;
