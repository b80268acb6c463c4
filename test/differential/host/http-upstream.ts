import type { HttpExchange, UpstreamSink } from "../../../src/host/exchange/http-exchange.ts";
import { http1ResponseHeaders, toHttp1 } from "../../../src/host/exchange/http1-headers.ts";
import { HeaderMap } from "../../../src/host/header-map.ts";
import { pairsOf } from "../envoy/http2-wire.ts";
import { answerOf } from "../envoy/upstream.ts";
import type { SeenMessage } from "../exchange-lines.ts";
import { GAP_MS, type UpstreamSpec } from "../scenario.ts";
import { latin1Bytes, latin1Text } from "./bytes.ts";
import type { Simulation } from "./simulation.ts";

type Seen = { -readonly [Key in keyof SeenMessage]: SeenMessage[Key] };

/** An upstream in virtual time that does what its spec says and what the real one of the test does. */
export class VirtualUpstream {
  exchange: HttpExchange | undefined;
  readonly sink: UpstreamSink;
  readonly #simulation: Simulation;
  readonly #spec: UpstreamSpec;
  readonly #saw: (seen: SeenMessage) => void;
  #seen: Seen | undefined;
  #gone = false;

  constructor(simulation: Simulation, spec: UpstreamSpec, saw: (seen: SeenMessage) => void) {
    this.#simulation = simulation;
    this.#spec = spec;
    this.#saw = saw;
    this.sink = {
      headers: (headers, endStream) => this.#headers(headers, endStream),
      data: (bytes, endStream) => {
        if (this.#seen !== undefined) this.#seen.body += latin1Text(bytes);
        if (endStream) this.#complete();
      },
      trailers: (trailers) => {
        if (this.#seen !== undefined) this.#seen.trailers = [...trailers];
        this.#complete();
      },
      reset: () => {
        this.#gone = true;
        if (this.#seen?.end === "hanging") this.#seen.end = "reset";
      },
      pause: () => undefined,
    };
  }

  #headers(headers: HeaderMap, endStream: boolean): void {
    const { exchange } = this;
    if (exchange !== undefined) {
      const end = (port: number): { address: string; port: number } => ({ address: `127.0.0.1:${port}`, port });
      exchange.info.upstream = {
        address: end(20_000),
        localAddress: end(30_000),
        tls: {},
        transportFailureReason: undefined,
        poolReadyDuration: 0n,
        endpoints: 1,
      };
    }
    if (this.#spec.refused === true) {
      this.#later(ROUND_TRIP_MS, () => this.exchange?.upstreamReset("refused"));
      return;
    }
    const pairs = this.#spec.protocol === "http2" ? [...headers] : pairsOf(toHttp1(headers));
    this.#seen = {
      start: `${headers.get(":method")} ${headers.get(":path")}`,
      headers: pairs.filter(([name]) => name !== ":method" && name !== ":path"),
      body: "",
      trailers: [],
      end: "hanging",
    };
    this.#saw(this.#seen);
    if (this.#spec.early === true) this.#answer(headers.get(":method") === "HEAD");
    if (endStream) this.#complete();
  }

  #complete(): void {
    if (this.#seen === undefined) return;
    this.#seen.end = "complete";
    if (this.#spec.early !== true) this.#answer(this.#seen.start.startsWith("HEAD "));
  }

  #later(milliseconds: number, action: () => void): void {
    this.#simulation.after(milliseconds, () => {
      if (!this.#gone) action();
    });
  }

  #answer(isHead: boolean): void {
    const spec = this.#spec;
    const http2 = spec.protocol === "http2";
    if (spec.reset === "at-once") return this.#later(ROUND_TRIP_MS, () => this.exchange?.upstreamReset("reset"));
    const { status, headers, body } = answerOf(spec);
    const flat = headers.flatMap(([name, value]) => [name, value]);
    const map = http2
      ? HeaderMap.of("response", [":status", String(status), ...flat])
      : http1ResponseHeaders(status, flat);
    const empty = body.length === 0 && (http2 ? spec.trailers === undefined : spec.withLength === true);
    const silent = isHead || status === 204 || status === 304;
    this.#later(ROUND_TRIP_MS, () => this.exchange?.responseHeaders(map, silent || empty));
    if (!silent && !empty) this.#answerBody(body, map.get("content-length") !== undefined);
  }

  #answerBody(body: readonly string[], hasLength: boolean): void {
    const { reset, trailers, protocol } = this.#spec;
    const http2 = protocol === "http2";
    let at = ROUND_TRIP_MS;
    for (const [index, piece] of body.entries()) {
      at += GAP_MS;
      const last = index === body.length - 1 && reset === undefined && trailers === undefined;
      this.#later(at, () => {
        this.exchange?.responseData(latin1Bytes(piece), last && http2);
        if (last && hasLength && !http2) this.exchange?.responseData(new Uint8Array(0), true);
      });
    }
    at += http2 && reset === undefined ? 0 : GAP_MS;
    if (reset === "after-body") this.#later(at, () => this.exchange?.upstreamReset("reset"));
    else if (trailers !== undefined && http2) {
      this.#later(at, () => this.exchange?.responseTrailers(new HeaderMap("trailers", trailers)));
    } else if (!http2 && !hasLength) this.#later(at, () => this.exchange?.responseData(new Uint8Array(0), true));
  }
}

const ROUND_TRIP_MS = 1;
