import { HeaderMap } from "../../../src/host/header-map.ts";
import { utf8ByteString } from "../../../src/host/byte-string.ts";
import type { Checks } from "../../../src/sandbox/test/checks.ts";
import type { ReadBytes } from "../../../src/sandbox/test/matchers.ts";
import type {
  Expectation,
  HeaderExpectations,
  Matcher,
  RequestExpectation,
  ResponseExpectation,
} from "../../../src/sandbox/test/model-expect.ts";
import type { Body } from "../../../src/sandbox/test/model-values.ts";
import type { Answer, CalloutAnswer, Exchange } from "../../../src/sandbox/test/model.ts";
import type { Place } from "../../../src/sandbox/test/shape.ts";
import { bodyPieces, headerPairs, nanoseconds } from "../../../src/sandbox/test/values.ts";
import type { Duration } from "../../../src/sandbox/test/model-values.ts";
import type { SeenMessage } from "../exchange-lines.ts";
import type { Headers, RequestSpec, UpstreamSpec } from "../scenario.ts";

/** Milliseconds of a time in a test file. */
export function milliseconds(duration: Duration | undefined): number {
  return Number(nanoseconds(duration)) / 1e6;
}

/** The protocol of an exchange: trailers only pass by HTTP/2. */
export function protocolOf({ request = {}, upstream = {} }: Exchange): "http1" | "http2" {
  const trailers = request.trailers !== undefined || upstream.trailers !== undefined;
  return request.protocol ?? (trailers ? "http2" : "http1");
}

/** How long an answer may take on a very slow machine. */
const PATIENCE_MS = 20_000;

/** The id that every request has which names none. */
const REQUEST_ID = "00000000-0000-4000-8000-000000000000";

/** What a client sends for a test's request. An address it comes from is told as a proxy before Envoy would. */
export function requestSpec(exchange: Exchange, from: string | undefined, readBytes: ReadBytes): RequestSpec {
  const { request = {} } = exchange;
  const protocol = protocolOf(exchange);
  const body = pieces(request.body, readBytes);
  const own = headerPairs(request.headers);
  const named = new Set(Object.keys(request.headers ?? {}).map((name) => name.toLowerCase()));
  const defaults: Headers = [
    [protocol === "http2" ? ":authority" : "host", utf8ByteString(request.authority ?? "example.com")],
    ["x-forwarded-proto", request.scheme ?? "http"],
    ["x-request-id", REQUEST_ID],
    ...(from === undefined ? [] : ([["x-forwarded-for", from]] as const)),
  ];
  return {
    protocol,
    method: request.method ?? (request.body === undefined ? "GET" : "POST"),
    path: utf8ByteString(request.path ?? "/"),
    headers: [...defaults.filter(([name]) => !named.has(name)), ...own],
    body,
    withLength: true,
    patienceMs: PATIENCE_MS,
    ...(request.trailers === undefined ? {} : { trailers: headerPairs(request.trailers) }),
  };
}

/** What an upstream sends for a test's answer, or a service that a filter calls. */
export function answerSpec(
  answer: Answer | CalloutAnswer | undefined,
  protocol: "http1" | "http2",
  readBytes: ReadBytes,
): UpstreamSpec {
  const { status = 200, headers, body, trailers, after, fail } = answer ?? {};
  const framed = trailers === undefined && status !== 204 && status !== 304;
  const sent = pieces(body, readBytes);
  const own = headerPairs(headers);
  const measured = framed && !own.some(([name]) => name === "content-length");
  const early = answer !== undefined && "early" in answer && answer.early;
  return {
    protocol,
    status,
    headers: [...(measured ? ([["content-length", String(sent.join("").length)]] as const) : []), ...own],
    body: sent,
    withLength: framed,
    // Longer than any filter waits.
    delayMs: fail === "timeout" ? PATIENCE_MS : milliseconds(after),
    ...(trailers === undefined ? {} : { trailers: headerPairs(trailers) }),
    ...(fail === "reset" ? { reset: "at-once" as const } : {}),
    early,
  };
}

function pieces(body: Body | undefined, readBytes: ReadBytes): string[] {
  return bodyPieces(body, readBytes).map(({ bytes }) => Buffer.from(bytes).toString("latin1"));
}

/** Holds what the client got against what was expected; undefined: nothing came yet. */
export function checkResponse(checks: Checks, expect: ResponseExpectation, at: Place, came: SeenMessage): void {
  const reset = expect.reset ?? false;
  if ((came.end === "complete") === reset) {
    checks.fail(at, `the response's end is: ${came.end}, expected ${reset ? "a reset" : "complete"}`);
  }
  if (came.start === "no answer" && !reset) return checks.fail(at, "no response came");
  if (expect.status !== undefined) checks.value([...at, "status"], "status", expect.status, came.start);
  checkMessage(checks, expect, at, came);
}

/** Holds what an upstream or a service got against what was expected. */
export function checkRequest(
  checks: Checks,
  expect: NonNullable<Expectation["upstream"]>,
  at: Place,
  came: SeenMessage | undefined,
): void {
  if (expect === "never") {
    if (came !== undefined) checks.fail(at, `the upstream got ${came.start}, expected never`);
    return;
  }
  if (came === undefined) return checks.fail(at, "the upstream got no request");
  const space = came.start.indexOf(" ");
  const header = (name: string): string | undefined => came.headers.find(([key]) => key.toLowerCase() === name)?.[1];
  const actual = {
    method: came.start.slice(0, space),
    path: came.start.slice(space + 1),
    authority: header(":authority") ?? header("host"),
  };
  for (const key of ["method", "path", "authority"] as const) {
    const matcher = expect[key];
    if (matcher !== undefined) checks.value([...at, key], `upstream ${key}`, matcher, actual[key]);
  }
  checkMessage(checks, expect, at, came);
}

interface MessageExpectation extends Pick<RequestExpectation, "headers" | "trailers"> {
  readonly body?: Matcher;
}

function checkMessage(checks: Checks, expect: MessageExpectation, at: Place, came: SeenMessage): void {
  const fields = (key: "headers" | "trailers", expected: HeaderExpectations | undefined): void => {
    if (expected !== undefined) checks.headers([...at, key], key, expected, new HeaderMap("response", came[key]));
  };
  fields("headers", expect.headers);
  if (expect.body !== undefined) checks.value([...at, "body"], "body", expect.body, came.body);
  fields("trailers", expect.trailers);
}
