import type { BodyBuffer } from "../body-buffer.ts";
import type { HeaderMap } from "../header-map.ts";
import type {
  DataStatus,
  HeadersStatus,
  HttpFilter,
  HttpFilterCallbacks,
  LocalReply,
  LogContext,
  TrailersStatus,
} from "../http-filter.ts";
import type { NetworkFilter, NetworkFilterCallbacks, NetworkStatus } from "../network-filter.ts";

/** What a client gets when the VM is gone. */
export const FAILED_REPLY: LocalReply = {
  status: 503,
  body: new Uint8Array(0),
  headers: [],
  grpcStatus: 14,
  details: "wasm_fail_stream",
};

/** Stands in for a filter whose VM is gone: lets everything pass, or answers 503. */
export class FailedHttpFilter implements HttpFilter {
  readonly #open: boolean;
  #callbacks: HttpFilterCallbacks | undefined;
  #answered = false;

  /** @param open let the stream pass without the filter (`failurePolicy: "open"`) */
  constructor(open: boolean) {
    this.#open = open;
  }

  attach(callbacks: HttpFilterCallbacks): void {
    this.#callbacks = callbacks;
  }

  decodeHeaders(_headers: HeaderMap, _endStream: boolean): HeadersStatus {
    return this.#open ? "continue" : this.#answer("stop-all-and-watermark");
  }

  decodeData(_data: BodyBuffer, _endStream: boolean): DataStatus {
    return this.#open ? "continue" : this.#answer("stop-no-buffer");
  }

  decodeTrailers(_trailers: HeaderMap): TrailersStatus {
    return this.#open ? "continue" : this.#answer("stop-iteration");
  }

  decodeMetadata(_metadata: HeaderMap): void {}

  encodeHeaders(_headers: HeaderMap, _endStream: boolean): HeadersStatus {
    return "continue";
  }

  encodeData(_data: BodyBuffer, _endStream: boolean): DataStatus {
    return "continue";
  }

  encodeTrailers(_trailers: HeaderMap): TrailersStatus {
    return "continue";
  }

  encodeMetadata(_metadata: HeaderMap): void {}

  log(_context: LogContext): void {}

  destroy(): void {}

  #answer<Answer>(answer: Answer): Answer {
    if (this.#answered) return answer;
    this.#answered = true;
    this.#callbacks?.sendLocalReply(FAILED_REPLY);
    return answer;
  }
}

/** The same for a connection: it passes, or is closed. */
export class FailedNetworkFilter implements NetworkFilter {
  readonly #open: boolean;
  #callbacks: NetworkFilterCallbacks | undefined;

  constructor(open: boolean) {
    this.#open = open;
  }

  attach(callbacks: NetworkFilterCallbacks): void {
    this.#callbacks = callbacks;
  }

  onNewConnection(): NetworkStatus {
    if (this.#open) return "continue";
    this.#callbacks?.close();
    return "stop-iteration";
  }

  onDownstreamData(): NetworkStatus {
    return this.#open ? "continue" : "stop-iteration";
  }

  onUpstreamData(): NetworkStatus {
    return this.#open ? "continue" : "stop-iteration";
  }

  onDownstreamClose(): void {}

  onUpstreamClose(): void {}

  destroy(): void {}
}
