import { BodyBuffer } from "../body-buffer.ts";
import type { HostClock } from "../environment.ts";
import type { HostReport, ReportSink } from "../host-report.ts";
import type {
  ClosedBy,
  NetworkFilter,
  NetworkFilterCallbacks,
  NetworkFilterFactory,
  NetworkStatus,
} from "../network-filter.ts";
import { newStreamInfo, type StreamInfo } from "../stream-info.ts";

/** The client of a connection. */
export interface TcpDownstreamSink {
  data(bytes: Uint8Array, endStream: boolean): void;
  /** Close after what was written. */
  close(): void;
  /** Stop, or go on, reading. */
  pause(paused: boolean): void;
}

/** The server of a connection. */
export interface TcpUpstreamSink {
  /** Connect; say so by {@link TcpExchange.upstreamConnected}, at once if you like. */
  open(): void;
  data(bytes: Uint8Array, endStream: boolean): void;
  close(): void;
  pause(paused: boolean): void;
}

/** What a TCP exchange is made of. */
export interface TcpExchangeOptions {
  /** In the order in which they see what the client sends; they see the answers in reverse. */
  readonly filters: readonly NetworkFilterFactory[];
  readonly info?: Partial<StreamInfo>;
  readonly clock: HostClock;
  readonly upstream: TcpUpstreamSink;
  readonly downstream: TcpDownstreamSink;
  /** Bytes held for a stopped filter before the sender is asked to wait; default 1 MiB. */
  readonly bufferLimit?: number;
  readonly report?: ReportSink;
}

/**
 * One TCP connection on its way through a chain of network filters and Envoy's TCP proxy: data a filter stopped is held and
 * comes again with what follows. Synchronous and without I/O, as `HttpExchange` is.
 */
export class TcpExchange {
  readonly info: StreamInfo;
  readonly #options: TcpExchangeOptions;
  readonly #filters: readonly NetworkFilter[];
  readonly #read: Direction;
  readonly #write: Direction;
  /** How many filters were told of the connection. */
  #told = 0;
  #opening = false;
  #connected = false;
  #ended = false;

  constructor(options: TcpExchangeOptions) {
    this.#options = options;
    this.info = newStreamInfo(options.clock.now(), { protocol: "", ...options.info });
    this.#filters = options.filters.map((factory) => factory.createNetworkFilter());
    const limit = options.bufferLimit ?? BUFFER_LIMIT;
    this.#read = new Direction(limit, options.downstream);
    this.#write = new Direction(limit, options.upstream);
    for (const [index, filter] of this.#filters.entries()) filter.attach(this.#callbacks(index));
  }

  /** True when the connection is closed and the filters are gone. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The client connected: filters are told, and the upstream is opened when none of them stops that. */
  connected(): void {
    this.#proceed(0);
  }

  /** The upstream is there: what the client sent can be looked at. */
  upstreamConnected(): void {
    if (this.#ended || this.#connected) return;
    this.#connected = true;
    this.#proceed(0);
  }

  /** From the client; `endStream` is its half of the close. */
  downstreamData(bytes: Uint8Array, endStream: boolean): void {
    if (this.#ended || this.#read.ended) return;
    this.info.requestBytes += bytes.length;
    this.#read.take(bytes, endStream);
    // Before the upstream is there Envoy does not read.
    if (this.#connected) this.#proceed(0);
    if (this.#read.ended && this.#write.sentEnd) this.#close("remote");
  }

  /** From the upstream. */
  upstreamData(bytes: Uint8Array, endStream: boolean): void {
    if (this.#ended || this.#write.ended) return;
    this.#write.take(bytes, endStream);
    this.#answer(this.#filters.length - 1);
    if (this.#read.ended && this.#write.sentEnd) this.#close("local");
  }

  /** The client's connection is gone. */
  downstreamClosed(): void {
    this.#close("remote");
  }

  /** The upstream could not be reached, or its connection broke: the client's is closed. */
  upstreamClosed(): void {
    if (this.#ended) return;
    this.#options.downstream.close();
    this.#close("local");
  }

  /** Tells filters of the connection and of what was read, from one on; whatever stops comes again. */
  #proceed(from: number): void {
    for (const [index, filter] of this.#filters.entries()) {
      if (index < from) continue;
      if (this.#ended) return;
      if (this.#meets(filter, index) === "stop-iteration" || this.#reads(filter) === "stop-iteration") {
        this.#read.watch();
        return;
      }
    }
    if (this.#ended) return;
    if (this.#connected) this.#read.send(this.#options.upstream);
    else if (!this.#opening) this.#open();
  }

  #meets(filter: NetworkFilter, index: number): NetworkStatus {
    if (index < this.#told) return "continue";
    this.#told = index + 1;
    return filter.onNewConnection();
  }

  #reads(filter: NetworkFilter): NetworkStatus {
    const { buffer, ended, sentEnd } = this.#read;
    const due = this.#connected && !sentEnd && (buffer.length > 0 || ended);
    return due ? filter.onDownstreamData(buffer, ended) : "continue";
  }

  #open(): void {
    this.#opening = true;
    this.#options.upstream.open();
  }

  /** Shows answers to the filters from one on, backwards. */
  #answer(from: number): void {
    const { buffer, ended, sentEnd } = this.#write;
    if (sentEnd || (buffer.length === 0 && !ended)) return;
    for (let index = from; index >= 0; index -= 1) {
      if (this.#ended) return;
      if (this.#filters[index]?.onUpstreamData(buffer, ended) === "stop-iteration") return this.#write.watch();
    }
    if (this.#ended) return;
    this.info.responseBytes += buffer.length;
    this.#write.send(this.#options.downstream);
  }

  #callbacks(index: number): NetworkFilterCallbacks {
    const close = (): void => {
      if (this.#ended) return;
      this.#options.downstream.close();
      this.#close("local");
    };
    return {
      info: this.info,
      continueReading: () => {
        if (!this.#ended) this.#proceed(index + 1);
      },
      continueWriting: () => {
        if (!this.#ended) this.#answer(index - 1);
      },
      close,
      report: (report: HostReport) => this.#options.report?.(report),
    };
  }

  #close(by: ClosedBy): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const filter of this.#filters) {
      filter.onDownstreamClose(by);
      filter.destroy();
    }
    this.info.endTime = this.#options.clock.now(); // filters see no duration, unlike those of HTTP
    if (this.#opening) this.#options.upstream.close();
  }
}

/** What came from one end, held until the filters let it go to the other. */
class Direction {
  readonly buffer = new BodyBuffer();
  /** The sender said its last. */
  ended = false;
  /** That was sent on. */
  sentEnd = false;
  readonly #limit: number;
  readonly #sender: { pause(paused: boolean): void };
  #paused = false;

  constructor(limit: number, sender: { pause(paused: boolean): void }) {
    this.#limit = limit;
    this.#sender = sender;
  }

  take(bytes: Uint8Array, endStream: boolean): void {
    this.buffer.append(bytes);
    this.ended = endStream;
  }

  send(to: { data(bytes: Uint8Array, endStream: boolean): void }): void {
    if (!this.sentEnd && (this.buffer.length > 0 || this.ended)) {
      this.sentEnd = this.ended;
      to.data(this.buffer.take(), this.ended);
    }
    this.watch();
  }

  /** Makes the sender wait while too much is held. */
  watch(): void {
    const paused = this.buffer.length > this.#limit;
    if (paused === this.#paused) return;
    this.#paused = paused;
    this.#sender.pause(paused);
  }
}

/** Envoy's `per_connection_buffer_limit_bytes`. */
const BUFFER_LIMIT = 1024 * 1024;
