import { BodyBuffer } from "../../../../src/host/body-buffer.ts";
import { HttpExchange, type ExchangeOptions, type UpstreamSink } from "../../../../src/host/exchange/http-exchange.ts";
import { HeaderMap } from "../../../../src/host/header-map.ts";
import type { HostReport } from "../../../../src/host/host-report.ts";
import type {
  DataStatus,
  HeadersStatus,
  HttpFilter,
  HttpFilterCallbacks,
  LocalReply,
  LogContext,
  TrailersStatus,
} from "../../../../src/host/http-filter.ts";

/** What a filter of a test does; what it leaves out continues. */
export interface Acts {
  readonly requestHeaders?: (on: On<HeaderMap>) => HeadersStatus | undefined | void;
  readonly requestData?: (on: On<BodyBuffer>) => DataStatus | undefined | void;
  readonly requestTrailers?: (on: On<HeaderMap>) => TrailersStatus | undefined | void;
  readonly responseHeaders?: (on: On<HeaderMap>) => HeadersStatus | undefined | void;
  readonly responseData?: (on: On<BodyBuffer>) => DataStatus | undefined | void;
  readonly responseTrailers?: (on: On<HeaderMap>) => TrailersStatus | undefined | void;
  readonly log?: (context: LogContext) => void;
}

/** One callback. */
export interface On<T> {
  readonly callbacks: HttpFilterCallbacks;
  readonly it: T;
  readonly end: boolean;
}

/** Everything that happened, in order: filters' callbacks as `a:rqh eos`, the sinks as `up headers eos`. */
export interface Stage {
  readonly exchange: HttpExchange;
  readonly events: string[];
  readonly reports: HostReport[];
  /** Callbacks of the filters by name. */
  readonly callbacks: Map<string, HttpFilterCallbacks>;
  /** Lets the upstream do something more. */
  upstream(does: Partial<UpstreamSink>): void;
  /** What the sinks got last. */
  readonly sent: { request?: HeaderMap; response?: HeaderMap };
}

/** An exchange through filters, by name, with a clock that stands at `nanoseconds` until it is moved. */
export function stage(filters: Readonly<Record<string, Acts>>, options: Partial<ExchangeOptions> = {}): Stage {
  const events: string[] = [];
  const reports: HostReport[] = [];
  const callbacks = new Map<string, HttpFilterCallbacks>();
  const sent: { request?: HeaderMap; response?: HeaderMap } = {};
  let more: Partial<UpstreamSink> = {};
  const side = (name: "up" | "down", which: "request" | "response") => ({
    headers(headers: HeaderMap, end: boolean): void {
      sent[which] = headers.clone();
      events.push(`${name} headers${eos(end)}`);
      if (name === "up") more.headers?.(headers, end);
    },
    data: (piece: Uint8Array, end: boolean): void => void events.push(`${name} data ${text(piece)}${eos(end)}`),
    trailers: (map: HeaderMap): void => void events.push(`${name} trailers ${map.flat.join("=")}`),
    reset: (reason?: string): void => void events.push(`${name} reset${reason === undefined ? "" : ` ${reason}`}`),
    pause: (paused: boolean): void => void events.push(`${name} ${paused ? "pause" : "resume"}`),
  });
  const exchange = new HttpExchange({
    filters: Object.entries(filters).map(([name, acts]) => ({
      name,
      createHttpFilter: () => new ActedFilter(name, acts, { events, callbacks }),
    })),
    clock: { now: () => 1_700_000_000_000_000_000n, monotonic: () => 5_000_000_000n },
    upstream: side("up", "request"),
    downstream: side("down", "response"),
    report: (report) => void reports.push(report),
    http1Trailers: true,
    ...options,
  });
  const upstream = (does: Partial<UpstreamSink>): void => void (more = does);
  return { exchange, events, reports, callbacks, upstream, sent };
}

/** A request's headers, as a codec makes them. */
export function get(more: readonly (readonly [string, string])[] = [], method = "GET"): HeaderMap {
  return new HeaderMap("request", [[":authority", "a"], [":path", "/"], [":method", method], ...more]);
}

export function ok(more: readonly (readonly [string, string])[] = [], status = "200"): HeaderMap {
  return new HeaderMap("response", [[":status", status], ...more]);
}

export function trailers(name: string, value: string): HeaderMap {
  return new HeaderMap("trailers", [[name, value]]);
}

export function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

export function text(content: Uint8Array | BodyBuffer): string {
  return new TextDecoder("latin1").decode(content instanceof BodyBuffer ? content.bytes() : content);
}

export function reply(status: number, body = "", more: Partial<LocalReply> = {}): LocalReply {
  return { status, body: bytes(body), headers: [], grpcStatus: undefined, details: "by_filter", ...more };
}

/** The callbacks of the filter of that name. */
export function of(on: Stage, name = "a"): HttpFilterCallbacks {
  const found = on.callbacks.get(name);
  if (found === undefined) throw new Error(`no filter ${name}`);
  return found;
}

interface Records {
  readonly events: string[];
  readonly callbacks: Map<string, HttpFilterCallbacks>;
}

class ActedFilter implements HttpFilter {
  readonly #name: string;
  readonly #acts: Acts;
  readonly #records: Records;
  #callbacks: HttpFilterCallbacks | undefined;

  constructor(name: string, acts: Acts, records: Records) {
    this.#name = name;
    this.#acts = acts;
    this.#records = records;
  }

  attach(callbacks: HttpFilterCallbacks): void {
    this.#callbacks = callbacks;
    this.#records.callbacks.set(this.#name, callbacks);
  }
  decodeHeaders(it: HeaderMap, end: boolean): HeadersStatus {
    return this.#act("rqh", this.#acts.requestHeaders, { it, end }) ?? "continue";
  }
  decodeData(it: BodyBuffer, end: boolean): DataStatus {
    return this.#act(`rqb ${text(it)}`, this.#acts.requestData, { it, end }) ?? "continue";
  }
  decodeTrailers(it: HeaderMap): TrailersStatus {
    return this.#act("rqt", this.#acts.requestTrailers, { it, end: false }) ?? "continue";
  }
  decodeMetadata(): void {
    throw new Error("no metadata here");
  }
  encodeHeaders(it: HeaderMap, end: boolean): HeadersStatus {
    return this.#act("rsh", this.#acts.responseHeaders, { it, end }) ?? "continue";
  }
  encodeData(it: BodyBuffer, end: boolean): DataStatus {
    return this.#act(`rsb ${text(it)}`, this.#acts.responseData, { it, end }) ?? "continue";
  }
  encodeTrailers(it: HeaderMap): TrailersStatus {
    return this.#act("rst", this.#acts.responseTrailers, { it, end: false }) ?? "continue";
  }
  encodeMetadata(): void {
    throw new Error("no metadata here");
  }
  log(context: LogContext): void {
    this.#records.events.push(`${this.#name}:log`);
    this.#acts.log?.(context);
  }
  destroy(): void {
    this.#records.events.push(`${this.#name}:destroy`);
  }

  #act<T, S>(
    event: string,
    act: ((on: On<T>) => S | undefined | void) | undefined,
    what: { it: T; end: boolean },
  ): S | undefined {
    const callbacks = this.#callbacks;
    if (callbacks === undefined) throw new Error("called before attach");
    this.#records.events.push(`${this.#name}:${event}${eos(what.end)}`);
    return act?.({ callbacks, ...what }) ?? undefined;
  }
}

function eos(end: boolean): string {
  return end ? " eos" : "";
}
