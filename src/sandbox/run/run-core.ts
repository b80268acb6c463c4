import { assertNever } from "../../domain/errors.ts";
import type { HostClock, LogEntry } from "../../host/environment.ts";
import type { HostReport } from "../../host/host-report.ts";
import type { HttpFilterFactory } from "../../host/http-filter.ts";
import { HttpExchange } from "../../host/exchange/http-exchange.ts";
import { NO_BYTES } from "./http-side.ts";
import { LogGate } from "./log-gate.ts";
import { InputReader } from "./input-wire.ts";
import { OutputWriter } from "./output-wire.ts";
import { Slots } from "./slots.ts";
import type { WireBatch } from "./wire-batch.ts";
import type { Address, PropertyValue, UpstreamInfo } from "../../host/stream-info.ts";
import type { CoreCallouts } from "./core-callouts.ts";
import { headerMap } from "./flat-headers.ts";
import {
  type CoreInput,
  FromCore,
  isCalloutInput,
  type OutputBatch,
  type RequestInput,
  type StreamInput,
  ToCore,
} from "./messages.ts";

/** What the exchanges run with. */
export interface RunCoreOptions {
  /** In the order requests meet them. */
  readonly filters: readonly HttpFilterFactory[];
  readonly clock: HostClock;
  readonly random: (target: Uint8Array) => void;
  /** Takes what one turn brought. */
  readonly post: (batch: OutputBatch, transfer: ArrayBuffer[]) => void;
  /** Runs what is due in the host, after everything that happened; how many callbacks that were. */
  readonly settle: () => number;
  readonly callouts: CoreCallouts;
  readonly properties: ReadonlyMap<string, PropertyValue>;
  /** `127.0.0.1:3000`. */
  readonly upstreamAddress: string;
}

/**
 * The exchanges of a run, on the side of the guest: takes what sockets tell and says what sockets shall do. Knows no
 * socket, thread or timer.
 */
export class RunCore {
  readonly #options: RunCoreOptions;
  readonly #exchanges = new Slots<HttpExchange>();
  readonly #upstream: UpstreamInfo;
  readonly #reader = new InputReader();
  readonly #writer = new OutputWriter();
  #taken = 0;
  #told = 0;
  readonly #gate: LogGate;

  constructor(options: RunCoreOptions) {
    this.#options = options;
    this.#gate = new LogGate(() => options.clock.monotonic());
    this.#upstream = {
      address: addressOf(options.upstreamAddress),
      localAddress: undefined,
      tls: {},
      transportFailureReason: undefined,
      poolReadyDuration: undefined,
      endpoints: 1,
    };
    options.callouts.connect((message) => this.#writer.add(message));
  }

  /** Handles the messages of one tick and posts what they brought. */
  handle(batch: WireBatch): void {
    let others = false;
    this.#reader.read(batch, (message) => {
      this.#one(message);
      if (this.#options.settle() > 0 || isCalloutInput(message)) others = true;
    });
    if (others) this.sweep();
    this.flush();
  }

  /** Posts what is there. To be called after timers, too. */
  flush(): void {
    this.#tellLeftOut();
    if (this.#writer.empty && this.#taken === this.#told) return;
    const { batch, transfer } = this.#writer.take();
    this.#told = this.#taken;
    this.#options.post({ wire: batch, taken: this.#taken }, transfer);
  }

  log(entry: LogEntry): void {
    const text = this.#gate.take(entry.text);
    if (text === undefined) return;
    this.#writer.add([FromCore.log, 0, text === entry.text ? entry : { ...entry, text }]);
  }

  report(report: HostReport): void {
    const message = this.#gate.take(report.message);
    if (message !== undefined) this.#writer.add([FromCore.report, 0, { ...report, message }]);
  }

  #tellLeftOut(): void {
    const count = this.#gate.leftOut();
    if (count === 0) return;
    const text = `${count} lines of the log were left out: there are more than can be shown`;
    const nobody = { plugin: undefined, contextId: undefined, stream: false };
    this.#writer.add([FromCore.log, 0, { level: "warn", source: "host", text, ...nobody }]);
  }

  #one(message: CoreInput): void {
    if (isCalloutInput(message)) return this.#options.callouts.handle(message);
    if (message[0] === ToCore.request) return this.#open(message);
    const id = message[1];
    const bytes = message[0] === ToCore.requestData || message[0] === ToCore.responseData ? message[2] : NO_BYTES;
    this.#taken += bytes.length;
    const exchange = this.#exchanges.get(id);
    if (exchange === undefined || exchange.ended) return;
    forward(exchange, message, bytes);
    if (exchange.ended) this.#close(id, exchange);
  }

  #open([, id, headers, end, from, protocol]: RequestInput): void {
    const { filters, clock, random, properties } = this.#options;
    const exchange: HttpExchange = new HttpExchange({
      filters,
      clock,
      random,
      info: {
        startTime: clock.now(),
        protocol,
        connectionId: BigInt(from.id),
        source: from.source,
        destination: from.destination,
        clusterName: "upstream",
        overrides: properties,
      },
      route: { name: "default", cluster: "upstream" },
      upstream: {
        headers: (map, last) => {
          exchange.info.upstream = this.#upstream;
          this.#writer.add([FromCore.request, id, map.flat, last]);
        },
        data: (bytes, last) => this.#writer.add([FromCore.requestData, id, bytes, last]),
        trailers: (map) => this.#writer.add([FromCore.requestTrailers, id, map.flat]),
        reset: () => this.#writer.add([FromCore.upstreamReset, id]),
        pause: (paused) => this.#writer.add([FromCore.pauseUpstream, id, paused]),
      },
      downstream: {
        headers: (map, last) => this.#writer.add([FromCore.response, id, map.flat, last]),
        data: (bytes, last) => this.#writer.add([FromCore.responseData, id, bytes, last]),
        trailers: (map) => this.#writer.add([FromCore.responseTrailers, id, map.flat]),
        reset: (reason) => this.#writer.add([FromCore.clientReset, id, reason]),
        pause: (paused) => this.#writer.add([FromCore.pauseClient, id, paused]),
      },
      report: (report) => this.report(report),
    });
    this.#exchanges.put(id, exchange);
    exchange.requestHeaders(headerMap("request", headers), end);
    if (exchange.ended) this.#close(id, exchange);
  }

  /** Closes streams that ended while another had the word: a timer, or a callout's answer, took them on. */
  sweep(): void {
    for (const [id, exchange] of this.#exchanges.entries()) if (exchange.ended) this.#close(id, exchange);
  }

  #close(id: number, exchange: HttpExchange): void {
    this.#exchanges.clear(id);
    const { responseCode, responseCodeDetails, responseFlags } = exchange.info;
    const { pausedIn } = exchange;
    this.#writer.add([
      FromCore.ended,
      id,
      {
        code: responseCode,
        details: responseCodeDetails,
        flags: Number(responseFlags),
        pausedIn: pausedIn.length === 0 ? undefined : pausedIn,
      },
    ]);
  }
}

/** `bytes` are those of a piece. */
function forward(exchange: HttpExchange, message: StreamInput, bytes: Uint8Array): void {
  switch (message[0]) {
    case ToCore.requestData:
      return exchange.requestData(bytes, message[3]);
    case ToCore.requestTrailers:
      return exchange.requestTrailers(headerMap("trailers", message[2]));
    case ToCore.clientGone:
      return exchange.downstreamReset();
    case ToCore.response:
      return exchange.responseHeaders(headerMap("response", message[2]), message[3]);
    case ToCore.responseData:
      return exchange.responseData(bytes, message[3]);
    case ToCore.responseTrailers:
      return exchange.responseTrailers(headerMap("trailers", message[2]));
    case ToCore.upstreamReset:
      return exchange.upstreamReset(message[2]);
    default:
      return assertNever(message);
  }
}

function addressOf(text: string): Address {
  return { address: text, port: Number(text.slice(text.lastIndexOf(":") + 1)) || 0 };
}
