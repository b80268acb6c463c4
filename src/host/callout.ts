import type { HeaderMap } from "./header-map.ts";

/** A request a filter sends on its own (`proxy_http_call`), complete with the headers Envoy adds. */
export interface HttpCallout {
  /** The token the guest knows it by, unique in its VM. */
  readonly token: number;
  readonly cluster: string;
  readonly headers: HeaderMap;
  readonly body: Uint8Array;
  /** Nothing in practice: Envoy takes the trailers a guest gives and sends none. */
  readonly trailers: HeaderMap | undefined;
  /** Milliseconds; 0 is none. Whoever sends it watches the time and calls `fail("timeout")`. */
  readonly timeoutMs: number;
  /** Name of the plugin that sent it. */
  readonly plugin: string;
  /** The context that sent it, for traces; the answer goes to the root context. */
  readonly contextId: number;
  /** Delivers the answer. Once, and never from within `CalloutPort.http`. */
  answer(response: CalloutResponse): void;
  /** No answer came: the guest sees Envoy's own 502, 503 or 504. */
  fail(kind: CalloutFailure): void;
}

/**
 * Why a callout failed: the connection was refused, closed before there was an answer, an HTTP/2 server reset the stream, it
 * took too long, there were too many, the answer was not understood; or `cut-short`: the answer had begun and then ended or took too long, of which the guest
 * hears nothing but that.
 */
export type CalloutFailure =
  | "refused"
  | "reset"
  | "remote-reset"
  | "timeout"
  | "overflow"
  | "protocol-error"
  | "cut-short";

/** The whole answer to a callout. */
export interface CalloutResponse {
  readonly headers: HeaderMap;
  readonly body: Uint8Array;
  readonly trailers: HeaderMap | undefined;
}

/** A gRPC call or stream a filter opens. */
export interface GrpcCallout {
  readonly token: number;
  readonly cluster: string;
  readonly service: string;
  readonly method: string;
  /** The headers of the request: those of HTTP/2 and gRPC, the metadata of the guest, and what Envoy adds. */
  readonly initialMetadata: HeaderMap;
  /** `unary`: the one message and the time limit in milliseconds. */
  readonly unary: { readonly message: Uint8Array; readonly timeoutMs: number } | undefined;
  readonly plugin: string;
  readonly contextId: number;
  /** Deliveries; never from within `CalloutPort.grpc`. Answers of nothing but trailers have empty initial metadata. */
  initialMetadataReceived(metadata: HeaderMap): void;
  /** One message, without gRPC's five bytes of framing. */
  received(message: Uint8Array): void;
  trailingMetadataReceived(metadata: HeaderMap): void;
  /** The end, as the upstream said it; `status` by gRPC's numbers. */
  closed(status: number, message: string): void;
  /** The end without the upstream's word: the guest sees what Envoy makes of it. */
  fail(kind: CalloutFailure): void;
}

/** What the host may do to an open gRPC call. */
export interface GrpcHandle {
  /** Sends one message on a stream. */
  send(message: Uint8Array, endStream: boolean): void;
  /** Ends this side, orderly. */
  close(): void;
  /** Gives the call up; nothing is delivered any more. */
  cancel(): void;
}

/** What became of an attempt to send: on its way, no cluster of that name, or a cluster nobody serves. */
export type CalloutStart = "sent" | "unknown-cluster" | "no-endpoint";

/** Sends callouts for the host. */
export interface CalloutPort {
  http(call: HttpCallout): CalloutStart;
  /** Gives the call up: nothing may be delivered any more. */
  cancelHttp?(call: HttpCallout): void;
  grpc?(call: GrpcCallout): GrpcHandle | Exclude<CalloutStart, "sent">;
}
