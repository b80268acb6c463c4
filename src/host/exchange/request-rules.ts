import type { HeaderMap } from "../header-map.ts";
import type { LocalReply } from "../http-filter.ts";
import { requestFault } from "./header-checks.ts";
import { ResponseFlag } from "./response-flags.ts";

/** What of a request is not in its headers. */
export interface Admission {
  /** The client speaks TLS. */
  readonly secure: boolean;
  readonly requestId: () => string;
}

/**
 * Makes of a request what Envoy's connection manager shows its filters: headers between two hops taken away, headers that
 * only Envoys may send each other too, and `x-forwarded-proto`, `:scheme`, `x-request-id` there.
 */
export function admitRequest(headers: HeaderMap, { secure, requestId }: Admission): void {
  sanitize(headers);
  if (!headers.has("x-forwarded-proto")) headers.add("x-forwarded-proto", secure ? "https" : "http");
  if (!headers.has(":scheme")) headers.add(":scheme", isHttps(headers.get("x-forwarded-proto")) ? "https" : "http");
  if ((headers.get("x-request-id") ?? "") === "") headers.put("x-request-id", requestId());
}

function sanitize(headers: HeaderMap): void {
  if (!isUpgrade(headers)) headers.removeAll(UPGRADE);
  headers.removeAll(NOT_FOR_FILTERS);
  if (headers.get("te") !== undefined) keepTrailersOnly(headers);
  if (headers.get("expect")?.toLowerCase() === "100-continue") headers.remove("expect");
  const referer = headers.get("referer");
  if (referer !== undefined && !isReferer(referer)) headers.remove("referer");
}

/** Joins the cookies an HTTP/2 client may send in several headers, as Envoy's codec does. */
export function joinCookies(headers: HeaderMap): void {
  const cookies = headers.values("cookie");
  if (cookies.length > 1) headers.set("cookie", cookies.join("; "));
}

/** A reply when the connection manager does not take the request; filters are made for it and only log it. */
export function admissionReply(headers: HeaderMap): LocalReply | undefined {
  if (!headers.has(":authority")) return bare(400, "missing_host_header");
  const path = headers.get(":path") ?? "";
  if (path !== "" && !path.startsWith("/") && headers.get(":method") !== "CONNECT") {
    return bare(404, "absolute_path_rejected");
  }
  if (path.includes("#")) return bare(400, "path_normalization_failed");
  return undefined;
}

/** A reply to a request that asks for another protocol, of which none is configured. */
export function upgradeReply(headers: HeaderMap): LocalReply | undefined {
  return headers.has("upgrade") ? bare(403, "upgrade_failed") : undefined;
}

/** What the router answers instead of sending the request on. */
export interface RouteRefusal {
  readonly reply: LocalReply;
  readonly flag: bigint;
}

/**
 * Does the router's part before the request leaves: one route, `/`, with a time limit of 15 seconds, which
 * `x-envoy-upstream-rq-timeout-ms` changes. The limit, if any, is told the upstream in `x-envoy-expected-rq-timeout-ms`.
 */
export function routeRequest(headers: HeaderMap): RouteRefusal | undefined {
  // Envoy looks for a route only where the connection manager has told the scheme.
  const known = (headers.get("x-forwarded-proto") ?? "") !== "";
  if (!known || !(headers.get(":path") ?? "").startsWith("/")) {
    return { reply: bare(404, "route_not_found"), flag: ResponseFlag.noRouteFound };
  }
  const asked = headers.get("x-envoy-upstream-rq-timeout-ms") ?? "";
  const limit = /^\d{1,15}$/u.test(asked) ? Number(asked) : ROUTE_TIMEOUT_MS;
  headers.removeAll(ROUTER_OPTION_SET);
  if (limit > 0) headers.put("x-envoy-expected-rq-timeout-ms", String(limit));
  const fault = requestFault(headers);
  if (fault === undefined) return undefined;
  const details = `filter_removed_required_request_headers{${spaceless(fault)}}`;
  const reply = { ...bare(503, details), body: new TextEncoder().encode(fault) };
  return { reply, flag: ResponseFlag.downstreamProtocolError };
}

/** Details hold no white space. */
export function spaceless(text: string): string {
  return text.replaceAll(/\s/gu, "_");
}

function bare(status: number, details: string): LocalReply {
  return { status, body: new Uint8Array(0), headers: [], grpcStatus: undefined, details };
}

function isHttps(proto: string | undefined): boolean {
  return proto?.toLowerCase() === "https";
}

/** A URL without user and fragment, or a relative reference without scheme and fragment. */
function isReferer(value: string): boolean {
  return /^[a-z][a-z\d+.-]*:\/\/[^/?#@\s]+(?:[/?][^#\s]*)?$/iu.test(value) || /^[^:#\s/]*(?:\/[^#\s]*)?$/u.test(value);
}

function isUpgrade(headers: HeaderMap): boolean {
  return headers.has("upgrade") && /(?:^|,)\s*upgrade\s*(?:,|$)/iu.test(headers.get("connection") ?? "");
}

function keepTrailersOnly(headers: HeaderMap): void {
  const te = headers.get("te") ?? "";
  if (/(?:^|,)\s*trailers\s*(?:,|$)/iu.test(te)) headers.put("te", "trailers");
  else headers.remove("te");
}

/** Envoy's default time limit of a route. */
const ROUTE_TIMEOUT_MS = 15_000;

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

const ROUTER_OPTION_SET: ReadonlySet<string> = new Set(ROUTER_OPTIONS);

const UPGRADE: ReadonlySet<string> = new Set(["connection", "upgrade"]);

/** Taken out of what an outsider sends. */
const NOT_FOR_FILTERS: ReadonlySet<string> = new Set([
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "x-envoy-expected-rq-timeout-ms",
  "x-envoy-force-trace",
  "x-envoy-internal",
  "x-envoy-ip-tags",
  "x-envoy-original-url",
  ...ROUTER_OPTIONS,
]);
