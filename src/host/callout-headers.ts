import type { CalloutFailure, CalloutResponse } from "./callout.ts";
import { HeaderMap, lowerAscii } from "./header-map.ts";

/** Adds to the headers of an HTTP callout what Envoy's router adds. */
export function completeCallout(headers: HeaderMap, bodyLength: number, timeoutMs: number): void {
  if (bodyLength > 0) headers.set("content-length", String(bodyLength));
  if (!headers.has(":scheme")) headers.set(":scheme", "http");
  addRouterHeaders(headers, timeoutMs);
}

/** Which gRPC method of which service to call at whom. */
export interface GrpcTarget {
  readonly authority: string;
  readonly service: string;
  readonly method: string;
  /** `undefined` for a stream, which has no time limit. */
  readonly timeoutMs: number | undefined;
}

/** The request headers of a gRPC call. */
export function grpcRequestHeaders(target: GrpcTarget, metadata: readonly string[]): HeaderMap {
  const headers = new HeaderMap("request", [
    [":method", "POST"],
    [":path", `/${target.service}/${target.method}`],
    [":authority", target.authority],
    [":scheme", "http"],
    ["te", "trailers"],
  ]);
  if (target.timeoutMs !== undefined) headers.add("grpc-timeout", `${target.timeoutMs}m`);
  headers.add("content-type", "application/grpc");
  for (let at = 0; at < metadata.length; at += 2) headers.add(lowerAscii(metadata[at] ?? ""), metadata[at + 1] ?? "");
  addRouterHeaders(headers, target.timeoutMs ?? 0);
  return headers;
}

/** What a guest gets instead of an answer: `undefined` where it gets nothing at all. */
export function failureResponse(kind: CalloutFailure): CalloutResponse | undefined {
  if (kind === "cut-short") return undefined;
  const { status, text } = FAILURES[kind];
  const body = new TextEncoder().encode(text);
  const headers = new HeaderMap("response", [
    [":status", String(status)],
    ["content-length", String(body.length)],
    ["content-type", "text/plain"],
  ]);
  return { headers, body, trailers: undefined };
}

/** The same for gRPC: the trailers-only answer Envoy makes, and the message with the details it appends. */
export function grpcFailure(kind: Exclude<CalloutFailure, "cut-short"> | "no-endpoint"): GrpcFailure {
  const { text, details } = FAILURES[kind];
  const trailers = new HeaderMap("response", [
    [":status", "200"],
    ["content-type", "application/grpc"],
    ["grpc-status", String(GRPC_UNAVAILABLE)],
    ["grpc-message", text],
  ]);
  return { trailers, status: GRPC_UNAVAILABLE, message: withDetails(text, details) };
}

/** A gRPC call that failed on this side. */
export interface GrpcFailure {
  readonly trailers: HeaderMap;
  readonly status: number;
  readonly message: string;
}

/** The message of a gRPC status as Envoy shows it: with where the end came from appended. */
export function withDetails(message: string, details = "via_upstream"): string {
  return message === "" ? details : `${message}{${details}}`;
}

/** gRPC's status numbers that the host itself gives. */
export const GRPC_INTERNAL = 13;
export const GRPC_UNAVAILABLE = 14;

function addRouterHeaders(headers: HeaderMap, timeoutMs: number): void {
  headers.set("x-envoy-internal", "true");
  if (timeoutMs > 0) headers.set("x-envoy-expected-rq-timeout-ms", String(timeoutMs));
}

const BEFORE_HEADERS = "upstream connect error or disconnect/reset before headers. reset reason: ";
const BEFORE_RESPONSE = "upstream_reset_before_response_started";

const FAILURES = {
  refused: {
    status: 503,
    text: `${BEFORE_HEADERS}remote connection failure`,
    details: `${BEFORE_RESPONSE}{remote_connection_failure|delayed_connect_error:_Connection_refused}`,
  },
  reset: {
    status: 503,
    text: `${BEFORE_HEADERS}connection termination`,
    details: `${BEFORE_RESPONSE}{connection_termination}`,
  },
  "remote-reset": {
    status: 503,
    text: `${BEFORE_HEADERS}remote reset`,
    details: `${BEFORE_RESPONSE}{remote_reset}`,
  },
  overflow: { status: 503, text: `${BEFORE_HEADERS}overflow`, details: `${BEFORE_RESPONSE}{overflow}` },
  "protocol-error": {
    status: 502,
    text: `${BEFORE_HEADERS}protocol error`,
    details: `${BEFORE_RESPONSE}{protocol_error}`,
  },
  timeout: { status: 504, text: "upstream request timeout", details: "response_timeout" },
  "no-endpoint": { status: 503, text: "no healthy upstream", details: "no_healthy_upstream" },
} as const;
