import type { Expectation, HeaderExpectations, Matcher, ResponseExpectation } from "../test/model-expect.ts";
import type { Body, HeaderValues } from "../test/model-values.ts";
import type { Answer, Callout, Request, TestCase } from "../test/model.ts";
import { headerOf } from "./flat-headers.ts";
import type { CalloutRecord } from "./http-callouts.ts";
import type { FlatHeaders, UpstreamFault } from "./messages.ts";
import type { RecordedExchange, RecordedMessage } from "./recorded-exchange.ts";

/** What may be written down. */
export interface CaseOptions {
  readonly name: string;
  /** Writes the values of `authorization`, `cookie` and `set-cookie`, too. */
  readonly secrets: boolean;
}

/**
 * An exchange as a test case: what came in, what the upstream and callouts answered, and as expectation what the filter made
 * of it: headers it changed, bodies it changed, answers of its own. What is another value every time is left out.
 */
export function recordedCase(exchange: RecordedExchange, { name, secrets }: CaseOptions): TestCase {
  const write = new HeaderWriter(secrets ? [] : secretsOf(exchange), secrets);
  const { callouts, answer, fault, forwarded } = exchange;
  const upstream = forwarded === undefined ? undefined : answerOf(answer, fault, write);
  return {
    name,
    request: requestOf(exchange, write),
    ...(upstream === undefined ? {} : { upstream }),
    ...(callouts.length === 0 ? {} : { callouts: callouts.map((callout) => calloutOf(callout, write)) }),
    expect: expectationOf(exchange, write),
  };
}

function requestOf({ request, protocol }: RecordedExchange, write: HeaderWriter): Request {
  const { headers, pieces, trailers } = request;
  const http1 = protocol === "HTTP/1.1";
  // A test's body has a length unless it says otherwise.
  const chunked = http1 && pieces.length > 0 && headerOf(headers, "content-length") === undefined;
  const own: HeaderValues = {
    ...write.headers(headers, REQUEST_DEFAULTS),
    ...(chunked ? { "content-length": null, "transfer-encoding": "chunked" } : {}),
  };
  return {
    method: headerOf(headers, ":method") ?? "GET",
    path: utf8(headerOf(headers, ":path") ?? "/"),
    authority: utf8(headerOf(headers, ":authority") ?? ""),
    ...(http1 ? {} : { protocol: "http2" as const }),
    ...(Object.keys(own).length === 0 ? {} : { headers: own }),
    ...(pieces.length === 0 ? {} : { body: write.body(pieces) }),
    ...(trailers === undefined ? {} : { trailers: write.headers(trailers, NONE) }),
  };
}

function answerOf(
  answer: RecordedMessage | undefined,
  fault: UpstreamFault | undefined,
  write: HeaderWriter,
): Answer | undefined {
  if (answer === undefined)
    return fault === undefined ? undefined : { fail: fault === "remote-reset" ? "reset" : fault };
  const { headers, pieces, trailers } = answer;
  const own = write.headers(headers, ANSWER_DEFAULTS);
  return {
    status: Number(headerOf(headers, ":status") ?? 200),
    ...(Object.keys(own).length === 0 ? {} : { headers: own }),
    ...(pieces.length === 0 ? {} : { body: write.body(pieces) }),
    ...(trailers === undefined ? {} : { trailers: write.headers(trailers, NONE) }),
  };
}

function calloutOf({ cluster, request, answer, fault }: CalloutRecord, write: HeaderWriter): Callout {
  const expected = write.expected(request.headers, CALLOUT_DEFAULTS);
  const own = answer === undefined ? {} : write.headers(answer.headers, ANSWER_DEFAULTS);
  return {
    to: cluster,
    expect: {
      method: headerOf(request.headers, ":method") ?? "",
      path: utf8(headerOf(request.headers, ":path") ?? ""),
      ...(Object.keys(expected).length === 0 ? {} : { headers: expected }),
      ...(request.body.length === 0 ? {} : { body: write.expectedBody([request.body]) }),
    },
    answer:
      answer === undefined
        ? { fail: fault === "timeout" ? "timeout" : "reset" }
        : {
            status: Number(headerOf(answer.headers, ":status") ?? 200),
            ...(Object.keys(own).length === 0 ? {} : { headers: own }),
            ...(answer.body.length === 0 ? {} : { body: write.content([answer.body]) }),
            ...(answer.trailers === undefined ? {} : { trailers: write.headers(answer.trailers, NONE) }),
          },
  };
}

function expectationOf(exchange: RecordedExchange, write: HeaderWriter): Expectation {
  const { request, forwarded, answer, response } = exchange;
  const changed = forwarded === undefined ? {} : changes(request, forwarded, { write, skip: FORWARD_VOLATILE });
  const upstream = forwarded === undefined ? ("never" as const) : changed;
  return {
    ...(exchange.trapped ? { trap: true } : {}),
    response: response === undefined ? { reset: true } : responseOf(response, answer, write),
    ...(upstream === "never" || Object.keys(upstream).length > 0 ? { upstream } : {}),
  };
}

function responseOf(
  response: RecordedMessage,
  answer: RecordedMessage | undefined,
  write: HeaderWriter,
): ResponseExpectation {
  const from = answer ?? { headers: [], pieces: [], trailers: undefined };
  return {
    status: Number(headerOf(response.headers, ":status") ?? 0),
    ...changes(from, response, { write, skip: RESPONSE_VOLATILE }),
  };
}

interface ChangeOptions {
  readonly write: HeaderWriter;
  readonly skip: ReadonlySet<string>;
}

/** What the second message has that the first has not, and what it lacks. */
function changes(
  from: RecordedMessage,
  to: RecordedMessage,
  { write, skip }: ChangeOptions,
): { readonly headers?: HeaderExpectations; readonly body?: Matcher } {
  const [before, after] = [write.expected(from.headers, skip), write.expected(to.headers, skip)];
  const headers: Record<string, Matcher | readonly Matcher[]> = {};
  for (const [name, value] of Object.entries(after)) {
    if (JSON.stringify(value) !== JSON.stringify(before[name])) headers[name] = value;
  }
  for (const name of Object.keys(before)) if (after[name] === undefined) headers[name] = { absent: true };
  const same = Buffer.concat(from.pieces).equals(Buffer.concat(to.pieces));
  return {
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    ...(same ? {} : { body: write.expectedBody(to.pieces) }),
  };
}

/** Writes headers as a test file has them: text, several values as a list; secrets as a placeholder. */
class HeaderWriter {
  readonly #values: readonly string[];
  readonly #secrets: boolean;

  /** @param values that must not be written wherever they stand: services like to show what they were sent */
  constructor(values: readonly string[], secrets: boolean) {
    this.#values = values;
    this.#secrets = secrets;
  }

  /** Text without the secrets of this exchange. */
  scrub(text: string): string {
    return this.#values.reduce((clean, value) => clean.replaceAll(value, DROPPED), text);
  }

  /** A body's bytes: text as it is, anything else as base64. */
  content(pieces: readonly Uint8Array[]): string | { readonly base64: string } {
    const bytes = Buffer.concat(pieces);
    const text = bytes.toString("utf8");
    return Buffer.from(text, "utf8").equals(bytes) ? this.scrub(text) : { base64: bytes.toString("base64") };
  }

  /** Headers to compare with: of secrets only that they are there. */
  expected(flat: FlatHeaders, skip: ReadonlySet<string>): Record<string, Matcher | readonly Matcher[]> {
    const shown = Object.entries(this.headers(flat, skip));
    return Object.fromEntries(shown.map(([name, value]) => [name, isDropped(value) ? { present: true } : value]));
  }

  expectedBody(pieces: readonly Uint8Array[]): Matcher {
    const content = this.content(pieces);
    return isDropped(content) ? { present: true } : content;
  }

  body(pieces: readonly Uint8Array[]): Body {
    return pieces.length === 1 || pieces.length > MOST_PIECES
      ? this.content(pieces)
      : pieces.map((piece) => ({ chunk: this.content([piece]) }));
  }

  isSecret(name: string): boolean {
    return !this.#secrets && SECRET.has(name);
  }

  headers(flat: FlatHeaders, skip: ReadonlySet<string>): Record<string, string | string[]> {
    const object: Record<string, string | string[]> = {};
    for (let at = 0; at < flat.length; at += 2) {
      const name = flat[at] ?? "";
      if (skip.has(name)) continue;
      const value = this.isSecret(name) ? DROPPED : this.scrub(utf8(flat[at + 1] ?? ""));
      const old = object[name];
      object[name] = old === undefined ? value : Array.isArray(old) ? [...old, value] : [old, value];
    }
    return object;
  }
}

const DROPPED = "dropped";

/** True when a secret was taken out, so that the value is no more what it was. */
function isDropped(value: unknown): boolean {
  return Array.isArray(value) ? value.some(isDropped) : typeof value === "string" && value.includes(DROPPED);
}

const SECRET: ReadonlySet<string> = new Set(["authorization", "cookie", "set-cookie", "proxy-authorization"]);
const NONE: ReadonlySet<string> = new Set();

/** Said by other keys of a request, or by how its body is written. */
const REQUEST_DEFAULTS: ReadonlySet<string> = new Set([
  ":method",
  ":path",
  ":authority",
  ":scheme",
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
]);

const ANSWER_DEFAULTS: ReadonlySet<string> = new Set([
  ":status",
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "date",
]);

/** What Envoy adds to every callout. */
const CALLOUT_DEFAULTS: ReadonlySet<string> = new Set([
  ":method",
  ":path",
  ":scheme",
  "content-length",
  "x-envoy-internal",
  "x-envoy-expected-rq-timeout-ms",
  "x-forwarded-for",
]);

/** Another value every time, or the proxy's own. */
const FORWARD_VOLATILE: ReadonlySet<string> = new Set([
  ":scheme",
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "expect",
  "x-forwarded-proto",
  "x-request-id",
  "x-envoy-expected-rq-timeout-ms",
]);

const RESPONSE_VOLATILE: ReadonlySet<string> = new Set([
  ...ANSWER_DEFAULTS,
  "server",
  "x-envoy-upstream-service-time",
  "x-request-id",
]);

/** More pieces than a person reads are one. */
const MOST_PIECES = 16;

/** Values of secret headers, and the tokens and cookies in them, the longest first. */
function secretsOf({ request, answer, response, forwarded, callouts }: RecordedExchange): string[] {
  const own = [request, answer, response, forwarded].map((message) => message?.headers ?? []);
  const more = callouts.flatMap((callout) => [callout.request.headers, callout.answer?.headers ?? []]);
  const values = [...own, ...more].flatMap((flat) =>
    flat.filter((_, at) => at % 2 === 1 && SECRET.has(flat[at - 1] ?? "")),
  );
  const parts = values.map(utf8).flatMap((value) => [value, ...value.split(/[\s;,]+/u), ...value.split(/[\s;,=]+/u)]);
  const found = new Set(parts.filter((part) => part.length >= SHORTEST_SECRET));
  return [...found].toSorted((one, other) => other.length - one.length);
}

/** Shorter words stand in texts by chance. */
const SHORTEST_SECRET = 6;

/** Header bytes as text. */
function utf8(value: string): string {
  return Buffer.from(value, "latin1").toString("utf8");
}
