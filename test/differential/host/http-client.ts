import { HttpExchange } from "../../../src/host/exchange/http-exchange.ts";
import { http1RequestHeaders } from "../../../src/host/exchange/http1-headers.ts";
import { HeaderMap } from "../../../src/host/header-map.ts";
import type { ReportSink } from "../../../src/host/host-report.ts";
import type { HttpFilterFactory } from "../../../src/host/http-filter.ts";
import { requestHeaders } from "../envoy/client.ts";
import type { SeenMessage } from "../exchange-lines.ts";
import { GAP_MS, type Headers, type RequestSpec, type Scenario } from "../scenario.ts";
import { latin1Bytes, latin1Text } from "./bytes.ts";
import { directResponse } from "./direct-response.ts";
import { VirtualUpstream } from "./http-upstream.ts";
import type { Simulation } from "./simulation.ts";

/** What a scenario's requests run through. */
export interface HttpSetting {
  readonly scenario: Scenario;
  readonly simulation: Simulation;
  readonly filters: readonly HttpFilterFactory[];
  /** Takes each request the upstream sees. */
  readonly upstreamSaw: (seen: SeenMessage) => void;
  readonly report: ReportSink;
}

type Seen = { -readonly [Key in keyof SeenMessage]: SeenMessage[Key] };

/** Sends one request through an exchange of its own; `done` is called when its client has all, or has waited enough. */
export function sendVirtual(setting: HttpSetting, spec: RequestSpec, done: (answer: SeenMessage) => void): void {
  const { simulation, scenario } = setting;
  const seen: Seen = { start: "no answer", headers: [], body: "", trailers: [], end: "hanging" };
  let over = false;
  const finish = (end: string): void => {
    if (over) return;
    over = true;
    seen.end = end;
    done({ ...seen });
  };
  const upstreamSpec = scenario.upstream === "direct" ? {} : (scenario.upstream ?? {});
  const upstream = new VirtualUpstream(simulation, upstreamSpec, setting.upstreamSaw);
  const exchange = new HttpExchange({
    filters: scenario.upstream === "direct" ? [...setting.filters, directResponse("direct")] : setting.filters,
    clock: simulation.clock,
    upstream: upstream.sink,
    downstream: downstreamOf(seen, spec, finish),
    report: setting.report,
    route: { name: "route", cluster: scenario.upstream === "direct" ? "" : scenario.name },
    info: {
      protocol: spec.protocol === "http2" ? "HTTP/2" : "HTTP/1.1",
      source: { address: "127.0.0.1:50000", port: 50_000 },
      destination: { address: "127.0.0.1:10000", port: 10_000 },
      virtualHostName: "hosts",
    },
  });
  upstream.exchange = exchange;
  const last = sendPieces(
    { simulation, exchange, hungUp: () => finish(spec.protocol === "http2" ? "reset 8" : "reset") },
    spec,
  );
  simulation.after(last + (spec.patienceMs ?? 1000), () => {
    if (over) return;
    finish("hanging");
    exchange.downstreamReset();
  });
}

interface Connection {
  readonly simulation: Simulation;
  readonly exchange: HttpExchange;
  readonly hungUp: () => void;
}

/** Schedules headers, pieces and end; when the last of it goes out. */
function sendPieces({ simulation, exchange, hungUp }: Connection, spec: RequestSpec): number {
  const { body = [], trailers, hangUpAfterMs } = spec;
  const http2 = spec.protocol === "http2";
  const headers = headersOf(spec);
  const length = headers.get("content-length");
  const empty = body.length === 0 && trailers === undefined;
  simulation.after(0, () => exchange.requestHeaders(headers, empty));
  let at = 0;
  for (const [index, piece] of body.entries()) {
    at += GAP_MS;
    const last = index === body.length - 1 && trailers === undefined && (http2 || hangUpAfterMs === undefined);
    simulation.after(at, () => {
      if (piece !== "" || (last && http2)) exchange.requestData(latin1Bytes(piece), last && http2);
      if (last && length !== undefined && !http2) exchange.requestData(new Uint8Array(0), true);
    });
  }
  if (hangUpAfterMs !== undefined) {
    at += hangUpAfterMs;
    simulation.after(at, () => {
      exchange.downstreamReset();
      hungUp();
    });
  } else if (!http2 && !empty && length === undefined) {
    at += GAP_MS;
    simulation.after(at, () => exchange.requestData(new Uint8Array(0), true));
  } else if (trailers !== undefined) {
    simulation.after(at, () => exchange.requestTrailers(new HeaderMap("trailers", trailers)));
  }
  return at;
}

function headersOf(spec: RequestSpec): HeaderMap {
  const headers = requestHeaders(spec);
  const flat = headers.flatMap(([name, value]) => [name, value]);
  if (spec.protocol === "http2") return HeaderMap.of("request", flat);
  return http1RequestHeaders(spec.method ?? "GET", spec.path ?? "/", flat);
}

function downstreamOf(
  seen: Seen,
  spec: RequestSpec,
  finish: (end: string) => void,
): ConstructorParameters<typeof HttpExchange>[0]["downstream"] {
  const http2 = spec.protocol === "http2";
  const end = (endStream: boolean): void => {
    if (endStream) finish("complete");
  };
  return {
    headers: (headers, endStream) => {
      const pairs: Headers = [...headers];
      seen.start = headers.get(":status") ?? "";
      // HTTP/1 has no other pseudo headers: its codec leaves them out.
      seen.headers = pairs.filter(([name]) => name !== ":status" && (http2 || !name.startsWith(":")));
      if (endStream && !http2 && needsLength(spec, headers)) seen.headers = [...seen.headers, ["content-length", "0"]];
      end(endStream);
    },
    data: (bytes, endStream) => {
      seen.body += latin1Text(bytes);
      end(endStream);
    },
    trailers: (trailers) => {
      seen.trailers = [...trailers];
      finish("complete");
    },
    reset: () => finish(http2 ? "reset 2" : "reset"),
    pause: () => undefined,
  };
}

/** Envoy's HTTP/1 codec says it where there is no body. */
function needsLength(spec: RequestSpec, headers: HeaderMap): boolean {
  const status = headers.get(":status") ?? "";
  return spec.method !== "HEAD" && !headers.has("content-length") && status !== "204" && status !== "304";
}
