import { HttpExchange } from "../host/exchange/http-exchange.ts";
import { HeaderMap } from "../host/header-map.ts";
import type { SmokeStream } from "./smoke-result.ts";
import { ADDRESS, encode, random, type SmokeStage } from "./smoke-world.ts";

/** Sends the two requests, one after the other. */
export function runRequests(stage: SmokeStage): readonly SmokeStream[] {
  return STREAMS.map((plan) => runStream(plan, stage));
}

/** What is sent and what comes back. */
interface StreamPlan {
  readonly name: string;
  readonly request: readonly (readonly [string, string])[];
  readonly requestBody: readonly string[];
  readonly response: readonly (readonly [string, string])[];
  readonly responseBody: readonly string[];
}

function runStream(plan: StreamPlan, { host, plugin, world }: SmokeStage): SmokeStream {
  const seen = { status: 0, broken: false, requests: 0, complete: false };
  const finish = (endStream: boolean): void => {
    if (endStream) seen.complete = true;
  };
  const exchange = new HttpExchange({
    filters: [plugin],
    clock: world.clock,
    random,
    route: { name: "default", cluster: "upstream" },
    report: (report) => world.environment.report?.(report),
    info: { protocol: "HTTP/1.1", source: ADDRESS, destination: ADDRESS, connectionId: 1n },
    upstream: {
      headers: (_headers, endStream) => {
        seen.requests += 1;
        finish(endStream);
      },
      data: (_bytes, endStream) => finish(endStream),
      trailers: () => finish(true),
      reset: () => undefined,
      pause: () => undefined,
    },
    downstream: {
      headers: (headers) => {
        seen.status = Number(headers.get(":status") ?? 0);
      },
      data: () => undefined,
      trailers: () => undefined,
      reset: () => {
        seen.broken = true;
      },
      pause: () => undefined,
    },
  });
  exchange.requestHeaders(new HeaderMap("request", plan.request), plan.requestBody.length === 0);
  for (const piece of plan.requestBody) exchange.requestData(encode(piece), false);
  if (plan.requestBody.length > 0) exchange.requestData(encode(""), true);
  world.turn(host, () => exchange.ended || seen.complete);
  if (seen.complete && !exchange.ended) {
    exchange.responseHeaders(new HeaderMap("response", plan.response), plan.responseBody.length === 0);
    for (const piece of plan.responseBody) exchange.responseData(encode(piece), false);
    if (plan.responseBody.length > 0) exchange.responseData(encode(""), true);
    world.turn(host, () => exchange.ended);
  }
  const { ended, pausedIn } = exchange;
  if (!ended) exchange.downstreamReset();
  world.turn(host, () => false);
  const status = seen.status === 0 ? {} : { status: seen.status };
  return { name: plan.name, ...status, ended: ended && !seen.broken, pausedIn, upstreamRequests: seen.requests };
}

const COMMON: StreamPlan["request"] = [
  [":scheme", "http"],
  [":authority", "example.com"],
  ["user-agent", "wasme"],
  ["accept", "*/*"],
  ["x-forwarded-proto", "http"],
];
const PIECES = ['{"hello":', '"world"}'];
const LENGTH = String(PIECES.join("").length);
const JSON_BODY: StreamPlan["request"] = [
  ["content-type", "application/json"],
  ["content-length", LENGTH],
];

const STREAMS: readonly StreamPlan[] = [
  {
    name: "GET without a body",
    request: [[":method", "GET"], [":path", "/"], ...COMMON],
    requestBody: [],
    response: [[":status", "204"]],
    responseBody: [],
  },
  {
    name: "POST with a body in pieces",
    request: [[":method", "POST"], [":path", "/things?color=blue"], ...COMMON, ...JSON_BODY],
    requestBody: PIECES,
    response: [[":status", "200"], ...JSON_BODY],
    responseBody: PIECES,
  },
];
