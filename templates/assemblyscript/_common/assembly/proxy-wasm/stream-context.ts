import { Action, BodyAction, HeadersAction, PeerType } from "./actions";
import { Body, downstreamBuffer, requestBodyBuffer, responseBodyBuffer, upstreamBuffer } from "./body";
import { HeaderMap, requestHeaderMap, requestTrailerMap, responseHeaderMap, responseTrailerMap } from "./header-map";
import { proxy_close_stream, proxy_continue_stream, proxy_set_effective_context } from "./host";
import { HttpCallResponse, startHttpCall } from "./http-call";
import { sendLocalReply } from "./local-reply";
import { RootContext } from "./root-context";
import { ok } from "./status";

let nextId: u32 = 0;
let nextRoot: RootContext | null = null;

/** Says which stream context the next constructor makes. */
export function prepareStream(id: u32, root: RootContext): void {
  nextId = id;
  nextRoot = root;
}

/**
 * One HTTP request with its response, or one TCP connection. Extend it and override the callbacks you want: the module
 * exports only those, and the proxy does not enter the filter for the others. Fields keep their values from callback
 * to callback; `this.root` is there already in constructors and field initialisers.
 */
export class StreamContext {
  /** The proxy's number for this context. */
  readonly id: u32 = nextId;
  /** The configured filter this stream runs through: `this.root.configuration`, `this.root as MyRoot`. */
  readonly root: RootContext = nextRoot!;
  /** Bit `n` is set while direction `n` (0 request, 1 response, 2 downstream, 3 upstream) is paused. */
  paused: u32 = 0;

  get requestHeaders(): HeaderMap {
    return requestHeaderMap;
  }
  get requestBody(): Body {
    return requestBodyBuffer;
  }
  get requestTrailers(): HeaderMap {
    return requestTrailerMap;
  }
  get responseHeaders(): HeaderMap {
    return responseHeaderMap;
  }
  get responseBody(): Body {
    return responseBodyBuffer;
  }
  get responseTrailers(): HeaderMap {
    return responseTrailerMap;
  }
  /** TCP: bytes from the client. */
  get downstreamData(): Body {
    return downstreamBuffer;
  }
  /** TCP: bytes from the upstream. */
  get upstreamData(): Body {
    return upstreamBuffer;
  }

  /** Request headers have arrived; `endOfStream` when no body and no trailers follow. */
  onRequestHeaders(endOfStream: bool): HeadersAction {
    return HeadersAction.Continue;
  }

  /** A piece of the request body, `size` bytes with what was held before; `endOfStream` with the last one. */
  onRequestBody(size: u32, endOfStream: bool): BodyAction {
    return BodyAction.Continue;
  }

  /** The request ends with trailers; no body callback had `endOfStream` then. */
  onRequestTrailers(): Action {
    return Action.Continue;
  }

  /** Response headers have arrived, from the upstream or from a local reply of this filter. */
  onResponseHeaders(endOfStream: bool): HeadersAction {
    return HeadersAction.Continue;
  }

  /** A piece of the response body, `size` bytes with what was held before; `endOfStream` with the last one. */
  onResponseBody(size: u32, endOfStream: bool): BodyAction {
    return BodyAction.Continue;
  }

  /** The response ends with trailers; no body callback had `endOfStream` then. */
  onResponseTrailers(): Action {
    return Action.Continue;
  }

  /** TCP: a client has connected. */
  onNewConnection(): Action {
    return Action.Continue;
  }

  /** TCP: bytes from the client. */
  onDownstreamData(size: u32, endOfStream: bool): Action {
    return Action.Continue;
  }

  /** TCP: bytes from the upstream. */
  onUpstreamData(size: u32, endOfStream: bool): Action {
    return Action.Continue;
  }

  /** TCP: the connection to the client is closed. */
  onDownstreamConnectionClose(closedBy: PeerType): void {}

  /** TCP: the connection to the upstream is closed. */
  onUpstreamConnectionClose(closedBy: PeerType): void {}

  /**
   * The answer to a call of this stream; `call` is what `httpCall` returned. Host calls act on this stream, so a
   * paused request can be continued or answered here. Never called once the stream is gone.
   */
  onHttpCallResponse(call: i32, response: HttpCallResponse): void {}

  /** The stream has ended. The answer of a stream does not matter. */
  onDone(): bool {
    return true;
  }

  /** Time for the access log: all headers, and properties such as `response.code`, can be read once more. */
  onLog(): void {}

  /** The context is gone after this call. */
  onDelete(): void {}

  /**
   * Lets a paused request go on.
   *
   * @returns `false`, without asking the proxy, when the request is not paused: Envoy would send it twice. To go on
   * from within a callback just return `Continue`.
   */
  continueRequest(): bool {
    return this.resume(0);
  }

  /** Lets a paused response go on; `false`, without asking the proxy, when it is not paused. */
  continueResponse(): bool {
    return this.resume(1);
  }

  /** TCP: lets paused bytes from the client go on. */
  continueDownstream(): bool {
    return this.resume(2);
  }

  /** Resets an HTTP stream, or closes a TCP connection after flushing. */
  close(): bool {
    return ok(proxy_close_stream(0));
  }

  /** TCP: closes the connection to the client after flushing. */
  closeDownstream(): bool {
    return ok(proxy_close_stream(2));
  }

  /** TCP: closes the connection to the upstream. */
  closeUpstream(): bool {
    return ok(proxy_close_stream(3));
  }

  /**
   * Answers the request from here: the upstream never sees it, or its response is dropped. What the callback returns
   * afterwards does not matter. Sent from a request callback, the reply passes through this filter's response
   * callbacks.
   *
   * @param status The HTTP status, such as 403.
   * @param body A `string` or an `ArrayBuffer`.
   * @param headers More headers: `[["www-authenticate", "Basic"]]`.
   * @param grpcStatus For gRPC clients; -1 lets the proxy derive it from the HTTP status.
   * @param details A word for the access log's "response code details".
   */
  sendLocalReply<T>(
    status: u32,
    body: T,
    headers: string[][] = [],
    grpcStatus: i32 = -1,
    details: string = "",
  ): bool {
    return sendLocalReply<T>(status, body, headers, grpcStatus, details);
  }

  /**
   * Sends an HTTP request to a cluster of the proxy, and usually pauses until `onHttpCallResponse` decides.
   *
   * @param cluster The upstream's name in the proxy's configuration.
   * @param headers Needs `:method`, `:path` and `:authority`.
   * @param body A `string` or an `ArrayBuffer`; `""` for none.
   * @param timeout In milliseconds; 0 waits for ever.
   * @returns The call's number, or -1 if the proxy refused it: unknown cluster, missing pseudo header.
   */
  httpCall<T>(cluster: string, headers: string[][], body: T, timeout: u32 = 5000, trailers: string[][] = []): i32 {
    return startHttpCall<T>(this.id, cluster, headers, body, timeout, trailers);
  }

  /**
   * Makes the rest of this callback act on this stream: for a root context that resumes or answers a paused stream
   * from `onTick`, `onQueueReady` or its own `onHttpCallResponse`. `false` if the stream is gone.
   */
  makeCurrent(): bool {
    return ok(proxy_set_effective_context(this.id));
  }

  private resume(direction: i32): bool {
    const bit: u32 = 1 << direction;
    if ((this.paused & bit) == 0) return false;
    this.paused &= ~bit;
    return ok(proxy_continue_stream(direction));
  }
}
