import type { HeaderMap } from "../header-map.ts";
import type { HostReport } from "../host-report.ts";
import type { LocalReply } from "../http-filter.ts";
import type { StreamInfo } from "../stream-info.ts";
import type { ExchangeOptions } from "./exchange-options.ts";
import type { Half } from "./half.ts";

/** One stream as its parts see it: the two halves, the maps, how far it is, and the ways to end it. */
export interface LiveStream {
  readonly options: ExchangeOptions;
  readonly info: StreamInfo;
  readonly request: Half;
  readonly response: Half;
  readonly requestHeaders: HeaderMap;
  requestTrailers: HeaderMap | undefined;
  responseHeaders: HeaderMap | undefined;
  responseTrailers: HeaderMap | undefined;
  /** The request came as HEAD. */
  readonly head: boolean;
  /** The client said its last. */
  requestComplete: boolean;
  /** The response is complete before the filters, if not yet behind them. */
  localComplete: boolean;
  /** Response headers went to the client. */
  headersSent: boolean;
  readonly ended: boolean;
  readonly upstream: UpstreamProgress;
  /** Filter callbacks of the request under way. */
  requestCalls: number;
  /** A filter answered from within one of them: no other filter is to see the request. */
  readonly requestAborted: boolean;
  /** Answers here: through the response callbacks, past them, or not at all, by how far the response is. The first one wins. */
  sendLocalReply(reply: LocalReply): void;
  /** Sends the reply that waited for the end of a callback. */
  sendPrepared(): void;
  /** Breaks the stream off; `details` count when there are none. */
  reset(details: string): void;
  /** Ends the stream: all filters log, then go one by one, then the upstream is given up if it is not done. */
  end(): void;
  /** Ends the stream for something Envoy would answer with a crash or a second request. */
  fault(code: HostReport["code"], message: string): void;
  report(severity: HostReport["severity"], code: HostReport["code"], message: string): void;
}

/** How far the upstream is; times are monotonic nanoseconds. */
export interface UpstreamProgress {
  /** Headers went to it. */
  began: bigint | undefined;
  /** The whole request went to it. */
  sentAll: bigint | undefined;
  /** Headers came from it. */
  answered: boolean;
  /** It said its last, or failed. */
  complete: boolean;
}
