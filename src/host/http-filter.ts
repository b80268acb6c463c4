import type { BodyBuffer } from "./body-buffer.ts";
import type { HeaderMap } from "./header-map.ts";
import type { HostReport } from "./host-report.ts";
import type { StreamInfo } from "./stream-info.ts";

/**
 * The border between a filter and the exchange it takes part in, in the words of Envoy's `StreamFilter`: the exchange
 * calls {@link HttpFilter}, the filter answers and acts through {@link HttpFilterCallbacks}. A plugin makes one
 * {@link HttpFilter} per stream; the exchange knows nothing of WebAssembly, the plugin nothing of other filters.
 */
export type HeadersStatus = "continue" | "stop-iteration" | "stop-all-and-buffer" | "stop-all-and-watermark";

/** Answer to a piece of a body. `stop-and-buffer` keeps it for a later, bigger call; `stop-no-buffer` drops it. */
export type DataStatus = "continue" | "stop-and-buffer" | "stop-and-watermark" | "stop-no-buffer";

/** Answer to trailers. */
export type TrailersStatus = "continue" | "stop-iteration";

/** A response made here instead of by the upstream. */
export interface LocalReply {
  /** As given; Envoy sends 99 as it is. */
  readonly status: number;
  readonly body: Uint8Array;
  /** Added to the reply's own headers (`:status`, then `content-length` and `content-type` where there is a body). */
  readonly headers: readonly (readonly [string, string])[];
  /** 0 to 16, or `undefined` to derive it from the HTTP status; used for gRPC requests only. */
  readonly grpcStatus: number | undefined;
  /** `response.code_details`. */
  readonly details: string;
}

/** What the access log sees: every map that came to be. */
export interface LogContext {
  readonly requestHeaders: HeaderMap | undefined;
  readonly responseHeaders: HeaderMap | undefined;
  readonly responseTrailers: HeaderMap | undefined;
}

/** What a filter of one stream is asked, in this order; it may be destroyed at any time, and is so once. */
export interface HttpFilter {
  /** Called once, before everything else. */
  attach(callbacks: HttpFilterCallbacks): void;
  /** Makes what the filter needs for the stream now; else the first callback does, as in Envoy. */
  open?(): void;
  decodeHeaders(headers: HeaderMap, endStream: boolean): HeadersStatus;
  decodeData(data: BodyBuffer, endStream: boolean): DataStatus;
  decodeTrailers(trailers: HeaderMap): TrailersStatus;
  /** HTTP/2 METADATA, seldom used. */
  decodeMetadata(metadata: HeaderMap): void;
  encodeHeaders(headers: HeaderMap, endStream: boolean): HeadersStatus;
  encodeData(data: BodyBuffer, endStream: boolean): DataStatus;
  encodeTrailers(trailers: HeaderMap): TrailersStatus;
  encodeMetadata(metadata: HeaderMap): void;
  /** All filters of the chain log before the first is destroyed. A filter that saw nothing of the stream is logged too. */
  log(context: LogContext): void;
  destroy(): void;
}

/** What a filter may do to its stream. Valid from `attach` to `destroy`. */
export interface HttpFilterCallbacks {
  readonly info: StreamInfo;
  /** The request body held back so far, `undefined` before there is one. The filter may change it. */
  decodingBuffer(): BodyBuffer | undefined;
  /** Moves the piece to the held body. */
  addDecodedData(data: BodyBuffer): void;
  /** Makes trailers that the request had not; only while its last piece is handled. */
  addDecodedTrailers(): HeaderMap;
  /** Takes the request up again where this filter stopped it; else the next filter is shown what is held, if anything. */
  continueDecoding(): void;
  encodingBuffer(): BodyBuffer | undefined;
  addEncodedData(data: BodyBuffer): void;
  addEncodedTrailers(): HeaderMap;
  continueEncoding(): void;
  /** The first one wins. */
  sendLocalReply(reply: LocalReply): void;
  /** Ends the stream without a response; `details` for `response.code_details` when none is set. */
  resetStream(details: string): void;
  clearRouteCache(): void;
  /** True when response headers have come to this filter or passed it: `continueEncoding` has a meaning. */
  readonly hasResponse: boolean;
  /** Something the user should know of this stream. */
  report(report: HostReport): void;
}

/** Makes the filter of one stream; a plugin is one. */
export interface HttpFilterFactory {
  /** As in the chain's configuration; for traces and reports. */
  readonly name: string;
  createHttpFilter(): HttpFilter;
}
