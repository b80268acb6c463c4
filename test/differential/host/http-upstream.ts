import type { HttpExchange, UpstreamSink } from "../../../src/host/exchange/http-exchange.ts";
import { http1ResponseHeaders, toHttp1 } from "../../../src/host/exchange/http1-headers.ts";
import { HeaderMap } from "../../../src/host/header-map.ts";
import type { Address, UpstreamInfo } from "../../../src/host/stream-info.ts";
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
        // Envoy drops them where it speaks HTTP/1, unless told otherwise.
        if (this.#seen !== undefined && spec.protocol === "http2") this.#seen.trailers = [...trailers];
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
    if (exchange !== undefined) exchange.info.upstream = upstreamInfo();
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
    if (endStream && this.#spec.protocol !== "http2" && needsLength(headers)) {
      this.#seen.headers = [...this.#seen.headers, ["content-length", "0"]];
    }
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
    const wait = ROUND_TRIP_MS + (spec.delayMs ?? 0);
    if (spec.reset === "at-once")
      return this.#later(wait, () => this.exchange?.upstreamReset(http2 ? "remote-reset" : "reset"));
    const { status, headers, body } = answerOf(spec);
    const flat = headers.flatMap(([name, value]) => [name, value]);
    const map = http2
      ? HeaderMap.of("response", [":status", String(status), ...flat])
      : http1ResponseHeaders(status, flat);
    const empty = body.length === 0 && (http2 ? spec.trailers === undefined : spec.withLength === true);
    const silent = isHead || status === 204 || status === 304;
    this.#later(wait, () => this.exchange?.responseHeaders(map, silent || empty));
    if (!silent && !empty) this.#answerBody(body, map.get("content-length") !== undefined);
  }

  #answerBody(body: readonly string[], hasLength: boolean): void {
    const { reset, trailers, protocol } = this.#spec;
    const http2 = protocol === "http2";
    let at = ROUND_TRIP_MS + (this.#spec.delayMs ?? 0);
    for (const [index, piece] of body.entries()) {
      at += GAP_MS;
      const last = index === body.length - 1 && reset === undefined && trailers === undefined;
      this.#later(at, () => {
        if (piece !== "" || (last && http2)) this.exchange?.responseData(latin1Bytes(piece), last && http2);
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

/** What properties say of the upstream; ports are not compared. */
export function upstreamInfo(): UpstreamInfo {
  const end = (port: number): Address => ({ address: `127.0.0.1:${port}`, port });
  return {
    address: end(20_000),
    localAddress: end(30_000),
    tls: {},
    transportFailureReason: undefined,
    poolReadyDuration: 0n,
    endpoints: 1,
  };
}

/** Envoy's HTTP/1 codec says it where a body would be usual and there is none. */
function needsLength(headers: HeaderMap): boolean {
  const bodiless = ["GET", "HEAD", "DELETE", "TRACE", "OPTIONS", "CONNECT"];
  return !headers.has("content-length") && !bodiless.includes(headers.get(":method") ?? "");
}
