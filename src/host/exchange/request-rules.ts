import type { HeaderMap } from "../header-map.ts";
import type { LocalReply } from "../http-filter.ts";
import { requestFault } from "./header-checks.ts";

/**
 * Makes of a request what Envoy's connection manager shows its filters: headers between two hops taken away, headers that
 * only Envoys may send each other too, and `x-forwarded-proto`, `:scheme`, `x-request-id` there.
 */
export function admitRequest(headers: HeaderMap, requestId: () => string): void {
  if (!isUpgrade(headers)) {
    headers.remove("connection");
    headers.remove("upgrade");
  }
  for (const name of NOT_FOR_FILTERS) headers.remove(name);
  if (headers.get("te") !== undefined) keepTrailersOnly(headers);
  if (headers.get("expect")?.toLowerCase() === "100-continue") headers.remove("expect");
  if (!headers.has("x-forwarded-proto")) headers.add("x-forwarded-proto", headers.get(":scheme") ?? "http");
  if (!headers.has(":scheme")) headers.add(":scheme", headers.get("x-forwarded-proto") === "https" ? "https" : "http");
  if (!headers.has("x-request-id")) headers.add("x-request-id", requestId());
}

/** A reply when the connection manager does not take the request; filters are made for it and only log it. */
export function admissionReply(headers: HeaderMap): LocalReply | undefined {
  if (!headers.has(":authority")) return bare(400, "missing_host_header");
  const path = headers.get(":path") ?? "";
  if (path !== "" && !path.startsWith("/") && headers.get(":method") !== "CONNECT") {
    return bare(404, "absolute_path_rejected");
  }
  if (headers.has("upgrade")) return bare(403, "upgrade_failed");
  return undefined;
}

/** What the router answers instead of sending the request on; `noRoute` is a response flag beside it. */
export interface RouteRefusal {
  readonly reply: LocalReply;
  readonly noRoute: boolean;
}

/** Does the router's part before the request leaves: one route, `/`, with a time limit of 15 seconds. */
export function routeRequest(headers: HeaderMap): RouteRefusal | undefined {
  if (!(headers.get(":path") ?? "").startsWith("/")) return { reply: bare(404, "route_not_found"), noRoute: true };
  for (const name of ROUTER_OPTIONS) headers.remove(name);
  headers.put("x-envoy-expected-rq-timeout-ms", "15000");
  const fault = requestFault(headers);
  if (fault === undefined) return undefined;
  const details = `filter_removed_required_request_headers{${spaceless(fault)}}`;
  return { reply: { ...bare(503, details), body: new TextEncoder().encode(fault) }, noRoute: false };
}

/** Details hold no white space. */
export function spaceless(text: string): string {
  return text.replaceAll(/\s/gu, "_");
}

function bare(status: number, details: string): LocalReply {
  return { status, body: new Uint8Array(0), headers: [], grpcStatus: undefined, details };
}

function isUpgrade(headers: HeaderMap): boolean {
  return headers.has("upgrade") && /(?:^|,)\s*upgrade\s*(?:,|$)/iu.test(headers.get("connection") ?? "");
}

function keepTrailersOnly(headers: HeaderMap): void {
  const te = headers.get("te") ?? "";
  if (/(?:^|,)\s*trailers\s*(?:,|$)/iu.test(te)) headers.put("te", "trailers");
  else headers.remove("te");
}

/** Taken out of the headers by the router, which acts on them. */
const ROUTER_OPTIONS = [
  "x-envoy-hedge-on-per-try-timeout",
  "x-envoy-max-retries",
  "x-envoy-retriable-header-names",
  "x-envoy-retriable-status-codes",
  "x-envoy-retry-grpc-on",
  "x-envoy-retry-on",
  "x-envoy-upstream-alt-stat-name",
  "x-envoy-upstream-rq-per-try-timeout-ms",
  "x-envoy-upstream-rq-timeout-alt-response",
  "x-envoy-upstream-rq-timeout-ms",
  "x-envoy-upstream-stream-duration-ms",
];

/** Taken out of what an outsider sends. */
const NOT_FOR_FILTERS = [
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "x-envoy-expected-rq-timeout-ms",
  "x-envoy-force-trace",
  "x-envoy-internal",
  "x-envoy-ip-tags",
  "x-envoy-original-url",
  ...ROUTER_OPTIONS,
];
