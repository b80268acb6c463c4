/** What a header map holds; decides which names are inline. */
export type MapKind = "request" | "response" | "trailers";

/**
 * Names of which Envoy keeps one entry, so that a second value is joined to the first with a comma (seen on
 * Envoy 1.40). Other names may have several entries.
 */
export function inlineNames(kind: MapKind): ReadonlySet<string> {
  return kind === "request" ? REQUEST : kind === "response" ? RESPONSE : TRAILERS;
}

const REQUEST: ReadonlySet<string> = new Set([
  ":authority",
  ":method",
  ":path",
  ":protocol",
  ":scheme",
  "accept",
  "accept-encoding",
  "authorization",
  "cache-control",
  "connection",
  "content-length",
  "content-type",
  "expect",
  "grpc-timeout",
  "if-none-match",
  "keep-alive",
  "origin",
  "pragma",
  "proxy-connection",
  "referer",
  "te",
  "transfer-encoding",
  "upgrade",
  "user-agent",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-request-id",
]);

const RESPONSE: ReadonlySet<string> = new Set([
  ":status",
  "access-control-allow-origin",
  "age",
  "cache-control",
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "date",
  "etag",
  "expires",
  "grpc-message",
  "grpc-status",
  "keep-alive",
  "last-modified",
  "location",
  "proxy-connection",
  "server",
  "transfer-encoding",
  "upgrade",
  "vary",
  "via",
  "x-envoy-upstream-service-time",
  "x-request-id",
]);

const TRAILERS: ReadonlySet<string> = new Set(["grpc-message", "grpc-status"]);
