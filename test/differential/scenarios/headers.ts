import type { Scenario } from "../scenario.ts";

const one = (script: string): Scenario["filters"] => [{ script }];

/** Values that are added to a header that is there, to see which are joined. */
const JOINED_REQUEST = [
  "accept", "accept-encoding", "authorization", "cache-control", "content-type", "expect-ct", "grpc-timeout",
  "if-none-match", "origin", "pragma", "proxy-connection", "referer", "user-agent", "via", "x-forwarded-for",
  "x-forwarded-host", "x-forwarded-port", "cookie", "range", "forwarded", "accept-language", "x-real-ip", "traceparent",
  "x-b3-traceid", "x-envoy-retry-on", "x-envoy-original-path", "x-ot-span-context", "x-client-trace-id",
  "x-envoy-max-retries", "x-envoy-foo", "x-envoy-upstream-rq-timeout-ms", "x-envoy-external-address",
]; // prettier-ignore
const JOINED_RESPONSE = [
  "access-control-allow-origin", "access-control-allow-headers", "age", "cache-control", "content-encoding", "content-type",
  "date", "etag", "expires", "grpc-message", "grpc-status", "last-modified", "location", "server", "vary", "via",
  "x-request-id", "x-envoy-upstream-service-time", "set-cookie", "www-authenticate", "link", "x-frame-options",
  "x-envoy-degraded", "x-envoy-overloaded", "x-envoy-foo",
]; // prettier-ignore

/** Header maps: what is in them, how they are changed, and when they are there. */
export const headerScenarios: readonly Scenario[] = [
  {
    name: "request-map",
    filters: one(`
rqh: get 0 :path; get 0 :PATH; get 0 Host; get 0 nope; get 0 x-empty; map_size 0; pairs 0
rqh: add 0 x-a 1; add 0 x-a 2; get 0 x-a; pairs 0; replace 0 x-a 3; pairs 0; remove 0 x-a; remove 0 x-a; pairs 0
rsh: get 0 :path; pairs 0; add 0 a b; replace 0 a b; remove 0 a; set_pairs 0 {a: b}; map_size 0; get 1 a; pairs 1; map_size 1`),
    requests: [{ headers: [["X-Empty", ""], ["X-Upper", "UPPER"]] }],
  },
  {
    name: "request-map-http2",
    filters: one("rqh: pairs 0; get 0 host; add 0 Host second; get 0 :authority; remove 0 host; get 0 host; pairs 0"),
    requests: [{ protocol: "http2", headers: [["x-two", "1"], ["x-two", "2"], ["cookie", "a=1"], ["cookie", "b=2"]] }],
  },
  {
    name: "response-map",
    filters: one(`
rqh: get 2 :status; pairs 2; add 2 a b; map_size 2; get 3 a; pairs 3
rsh: get 2 :status; pairs 2; get 2 nope; add 2 X-Added One; add 2 x-added two; pairs 2; replace 2 x-old new; remove 2 x-gone; pairs 2
rsb: get 2 :status; pairs 2; add 2 late no; map_size 2; get 0 :path`),
    upstream: { headers: [["X-Old", "a"], ["x-old", "b"], ["x-gone", "1"], ["x-gone", "2"]], withLength: true },
    requests: [{}],
  },
  {
    name: "other-phases",
    filters: one(`
log: get 0 :path; get 2 :status; get 0 nope; get 1 a; get 3 a; map_size 0; add 0 a b; replace 2 a b; remove 0 a
log: get 2 server; get 0 x-envoy-expected-rq-timeout-ms; pairs 1; pairs 3; set_pairs 0 {a: b}; get 4 a; get 6 a
done: get 0 :path; get 2 :status; pairs 0; add 0 a b; map_size 2; del: get 0 :path
del: get 0 :path; get 2 :status; pairs 2`),
    requests: [{}],
  },
  {
    name: "map-types",
    filters: one(`
rqh: get 8 a; pairs 8; set_pairs 8 {a: b}; add 8 a b; replace 9 a b; remove 8 a; map_size 8; map_size 4; map_size 5; map_size 6
rqh: map_size 7; get 4 a; get 5 a; get 6 a; get 7 a; pairs 4; pairs 5; pairs 6; pairs 7; add 4 a b; add 6 a b; replace 7 a b; remove 5 a
rqh: set_pairs 4 {a: b}; set_pairs 6 {a: b}; add 99 a b; pairs 4294967295`),
    requests: [{}],
  },
  {
    name: "no-map-yet",
    filters: one(`
cfg: get 0 :path; pairs 0; add 0 a b; map_size 0; replace 2 a b; remove 2 a; set_pairs 0 {a: b}; get 8 a
new: get 0 :path; pairs 0; add 0 a b; map_size 0; prop request.path
rqh: get 1 a; add 1 a b; pairs 1; map_size 1; set_pairs 1 {a: b}`),
    requests: [{}],
  },
  {
    name: "joined-request",
    filters: one(`rqh: ${JOINED_REQUEST.flatMap((name) => [`add 0 ${name} one`, `add 0 ${name} two`]).join("; ")}; pairs 0`),
    requests: [{}],
  },
  {
    name: "joined-response",
    filters: one(`rsh: ${JOINED_RESPONSE.flatMap((name) => [`add 2 ${name} one`, `add 2 ${name} two`]).join("; ")}; remove 2 date; pairs 2`),
    upstream: { headers: [["x-plain", "1"]] },
    requests: [{}],
  },
  {
    name: "joined-pseudo",
    filters: one("rqh: add 0 :path /again; get 0 :path; add 0 :method X; get 0 :method; replace 0 :method GET; add 0 :scheme x; pairs 0; replace 0 :scheme http"),
    requests: [{ path: "/changed" }],
  },
  {
    name: "joined-status",
    filters: one("rsh: replace 2 :status 418; add 2 :status 419; get 2 :status"),
    requests: [{}, { protocol: "http2" }],
  },
  {
    name: "joined-from-wire",
    filters: one("rqh: pairs 0; prop request.headers.accept; prop request.headers.x-two; prop request.headers.cookie; ret 0\nrsh: pairs 2; prop response.headers.set-cookie; prop response.headers.vary"),
    upstream: { headers: [["vary", "a"], ["vary", "b"], ["set-cookie", "a=1"], ["set-cookie", "b=2"], ["link", "x"], ["link", "y"]] },
    requests: [
      { headers: [["accept", "a"], ["accept", "b"], ["x-two", "1"], ["x-two", "2"], ["cookie", "a=1"], ["cookie", "b=2"]] },
      { protocol: "http2", headers: [["accept", "a"], ["accept", "b"], ["x-two", "1"], ["x-two", "2"], ["cookie", "a=1"], ["cookie", "b=2"]] },
    ],
  },
  {
    name: "set-pairs",
    filters: one(`
rqh: set_pairs 0 {:method: GET, :path: /set, :authority: set.local, :scheme: http, B: 1, a: 2, b: 3, accept: x, accept: y, e: }; pairs 0; get 0 e
rsh: set_pairs 2 {:status: 201, X-Only: this}; pairs 2`),
    requests: [{ headers: [["x-gone", "1"]] }],
  },
  {
    name: "set-pairs-order",
    filters: one("rqh: set_pairs 0 {a: 1, :path: /later, b: 2, :method: GET, :authority: x, :scheme: http}; pairs 0\nrsh: set_pairs 2 {z: 1, :status: 200, y: 2}; pairs 2"),
    requests: [{}],
  },
  {
    name: "malformed-pairs",
    filters: one(`
rsh: set_pairs 2 "\\x01\\0\\0\\0"; pairs 2
rsh: set_pairs 2 {:status: 200, a: b}; set_pairs 2 "\\x01\\0\\0\\0\\x01\\0\\0\\0\\x01\\0\\0\\0axb\\0"; pairs 2
rsh: set_pairs 2 {:status: 200}; set_pairs 2 "\\x01\\0\\0\\0\\x01\\0\\0\\0\\x01\\0\\0\\0a\\0b\\0extra"; pairs 2
rsh: set_pairs 2 {:status: 200}; set_pairs 2 "\\x01\\0\\0\\0\\xff\\xff\\xff\\xff\\x01\\0\\0\\0a\\0b\\0"; pairs 2
rsh: set_pairs 2 {:status: 200}; set_pairs 2 "ab"; pairs 2; set_pairs 2 {:status: 200}; set_pairs 2 ""; pairs 2; set_pairs 2 {:status: 202}; set_pairs 2 {}; pairs 2
rsh: set_pairs 2 {:status: 203, x: y}; pairs 2`),
    requests: [{}],
  },
  { name: "empty-request", filters: one("rqh: set_pairs 0 {}; pairs 0; map_size 0"), requests: [{}, { protocol: "http2" }] },
  { name: "malformed-request", filters: one('rqh: set_pairs 0 "x"; pairs 0'), requests: [{}] },
  { name: "empty-response", filters: one("rsh: set_pairs 2 {}; pairs 2; map_size 2"), requests: [{}, { protocol: "http2" }] },
  ...[":path", ":method", ":authority", ":scheme"].map((name): Scenario => ({
    name: `remove-${name.slice(1)}`,
    filters: one(`rqh: remove 0 ${name}; get 0 ${name}`),
    requests: [{}, { protocol: "http2" }],
  })),
  { name: "remove-status", filters: one("rsh: remove 2 :status; get 2 :status"), requests: [{}, { protocol: "http2" }] },
  { name: "bad-name-request", filters: one('rqh: add 0 "a b" c; add 0 "x\\0y" c; get 0 "a b"'), requests: [{}, { protocol: "http2" }] },
  { name: "bad-name-response", filters: one('rsh: add 2 "a b" c; get 2 "a b"'), requests: [{}, { protocol: "http2" }] },
  { name: "bad-value-request", filters: one('rqh: add 0 x-line "a\\r\\nb: c"; get 0 x-line'), requests: [{}] },
  { name: "bad-value-response", filters: one('rsh: add 2 x-line "a\\r\\nb: c"; get 2 x-line'), requests: [{}] },
  { name: "empty-name", filters: one('rqh: add 0 "" c; get 0 ""; replace 0 "" d; remove 0 ""; pairs 0\nrsh: get 2 ""'), requests: [{}] },
  {
    name: "raw-bytes",
    filters: one('rqh: get 0 x-bytes; add 0 x-more "\\xc3\\x84\\xff"; add 0 "X-\\xc3\\x84" 1; get 0 "x-\\xc3\\x84"; remove 0 "x-\\xc3\\x84"; get 0 x-more\nrsh: get 2 x-bytes; add 2 x-more "\\xc3\\x84\\xff"'),
    upstream: { headers: [["x-bytes", "\u00e4\u00c3\u0084"]] },
    requests: [{ headers: [["x-bytes", "\u00e4\u00c3\u0084"]] }],
  },
  {
    name: "replace-status",
    filters: one(`
rsh: replace 2 :status 418; get 2 :status; prop response.code
rsb: prop response.code
log: prop response.code; get 2 :status`),
    requests: [{}, { protocol: "http2" }],
  },
  { name: "odd-status", filters: one("rsh: replace 2 :status abc"), requests: [{}] },
  { name: "small-status", filters: one("rsh: replace 2 :status 99"), requests: [{}] },
  {
    name: "replace-path",
    filters: one(`
rqh: prop request.path; replace 0 :path /other?q=1; prop request.path; prop request.url_path; prop request.query; replace 0 :method PUT; prop request.method
log: prop request.path; get 0 :path; prop request.method`),
    requests: [{ path: "/first?a=b" }],
  },
  {
    name: "end-of-stream",
    filters: one("rqh: ret 0"),
    upstream: "direct",
    requests: [
      {},
      { method: "HEAD" },
      { method: "POST", headers: [["content-length", "0"]] },
      { method: "POST", body: ["abc"] },
      { method: "OPTIONS" },
      { protocol: "http2", method: "HEAD" },
      { protocol: "http2", method: "POST", body: ["abc"] },
    ],
  },
  { name: "response-head", filters: one("rsh: ret 0"), requests: [{ method: "HEAD" }, { protocol: "http2", method: "HEAD" }] },
  { name: "response-204", filters: one("rsh: pairs 2"), upstream: { status: 204, headers: [["content-length", "0"]], body: [] }, requests: [{}] },
  { name: "response-304", filters: one("rsh: pairs 2"), upstream: { status: 304, body: [], withLength: true }, requests: [{}] },
  { name: "response-empty", filters: one("rsh: pairs 2"), upstream: { body: [], withLength: true }, requests: [{}, { protocol: "http2" }] },
  { name: "response-100", filters: one("rqh: ret 0"), requests: [{ method: "POST", headers: [["expect", "100-continue"]], body: ["abc"], withLength: true }] },
  {
    name: "connection-headers",
    filters: one("rqh: pairs 0; add 0 connection keep-alive; add 0 te trailers; add 0 upgrade x; pairs 0\nrsh: pairs 2; add 2 connection close; add 2 keep-alive 5; pairs 2"),
    upstream: { headers: [["connection", "keep-alive"], ["keep-alive", "timeout=5"], ["proxy-connection", "x"]] },
    requests: [{ headers: [["connection", "keep-alive"], ["te", "trailers"], ["keep-alive", "5"]] }],
  },
  {
    name: "forwarded-headers",
    filters: one("rqh: pairs 0"),
    requests: [{ headers: [["x-forwarded-for", "1.2.3.4"], ["x-forwarded-proto", "https"], ["x-request-id", "mine"], ["x-envoy-internal", "true"], ["user-agent", "me"]] }],
  },
  {
    name: "absolute-target",
    filters: one("rqh: pairs 0"),
    requests: [{ path: "http://other.local:81/abs?x" }, { path: "/a//b/../c%2fd" }, { path: "/frag#x" }],
  },
  {
    name: "server-date",
    filters: one("rsh: get 2 server; get 2 date; add 2 server mine\nlog: get 2 server"),
    upstream: { headers: [["server", "theirs"], ["date", "Mon, 01 Jan 2024 00:00:00 GMT"]] },
    requests: [{}],
  },
  {
    name: "request-body-properties",
    filters: one("rqb@e: prop request.path; prop request.headers.x-a; get 0 :path\nrsh: prop request.path; prop request.method; prop request.id; prop request.headers.x-a; prop_map request.headers; prop request.protocol; prop_size request.time; prop request.host; prop request.scheme; prop request.referer; prop request.useragent; prop request.query; prop request.url_path\nlog: prop request.path; prop request.method; prop request.headers.x-a; prop_size request.id"),
    requests: [{ method: "POST", headers: [["x-a", "1"]], body: ["abc"] }],
  },
  {
    name: "big-values",
    filters: one("rqh: add 0 x-big *20000a; get 0 x-big; map_size 0; remove 0 x-big; add 0 x-many *3000ab\nrsh: add 2 x-big *10000z; get 2 x-big"),
    upstream: "direct",
    requests: [{}],
  },
]; // prettier-ignore
