import type { HostClock } from "../environment.ts";
import type { HeaderMap } from "../header-map.ts";
import type { ReportSink } from "../host-report.ts";
import type { HttpFilterFactory } from "../http-filter.ts";
import type { StreamInfo } from "../stream-info.ts";

/** Where a request goes. The maps and bytes are to be read at once; the maps change later. */
export interface UpstreamSink {
  headers(headers: HeaderMap, endStream: boolean): void;
  data(bytes: Uint8Array, endStream: boolean): void;
  trailers(trailers: HeaderMap): void;
  /** Give the request up. */
  reset(): void;
  /** Stop, or go on, reading the response. */
  pause(paused: boolean): void;
}

/** Where a response goes. */
export interface DownstreamSink {
  headers(headers: HeaderMap, endStream: boolean): void;
  data(bytes: Uint8Array, endStream: boolean): void;
  trailers(trailers: HeaderMap): void;
  /** Break the stream off; `reason` as in `response.code_details`. */
  reset(reason: string): void;
  /** Stop, or go on, reading the request. */
  pause(paused: boolean): void;
}

/** What an exchange is made of. */
export interface ExchangeOptions {
  /** In the order in which they see the request; they see the response in reverse. */
  readonly filters: readonly HttpFilterFactory[];
  /** What the driver knows of the stream; the rest starts empty. */
  readonly info?: Partial<StreamInfo>;
  readonly clock: HostClock;
  readonly upstream: UpstreamSink;
  readonly downstream: DownstreamSink;
  /** Bytes a filter may hold back of either body; default 1 MiB, 16 MiB where the client speaks HTTP/2. */
  readonly bufferLimit?: number;
  /** Lets trailers through to and from an HTTP/1 client (Envoy's `enable_trailers`, off there too). */
  readonly http1Trailers?: boolean;
  readonly report?: ReportSink;
  /** The one route there is, for properties. */
  readonly route?: { readonly name: string; readonly cluster: string };
  /** Fills bytes for `x-request-id`; without it a request that has none gets an id of zeros. */
  readonly random?: (target: Uint8Array) => void;
}
