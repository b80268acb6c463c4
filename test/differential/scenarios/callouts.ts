import type { Scenario } from "../scenario.ts";

const one = (script: string): Scenario["filters"] => [{ script }];
const GET = "{:path: /ok, :method: GET, :authority: x}";
const SHOW = "hcr: status; pairs 6; buf 4 0 300; pairs 7; get 6 x-from; get 7 x-end; map_size 7; buf_status 4";
/** A resumed request, so that the client's answer shows that it went on. */
const RESUME = "; effective $stream; continue 0";

/** HTTP and gRPC callouts. */
export const calloutScenarios: readonly Scenario[] = [
  { name: "callout-ok", filters: one(`rqh: http callout ${GET} "" {} 1000; ret 1\n${SHOW}${RESUME}`), requests: [{}, {}] },
  {
    name: "callout-echo",
    filters: one(`rqh: http callout {:path: /echo, :method: POST, :authority: x, Host: second, A: 1, a: 2, :scheme: https, content-length: 7} body {} 1000; ret 1\n${SHOW}${RESUME}`),
    requests: [{}],
  },
  {
    name: "callout-echo-plain",
    filters: one(`rqh: http callout {:path: /echo, :method: GET, :authority: x, x-forwarded-for: 1.2.3.4} "" {} 0; ret 1\n${SHOW}${RESUME}`),
    requests: [{}],
  },
  {
    name: "callout-echo-trailers",
    filters: one(`rqh: http callout {:path: /echo, :method: POST, :authority: x} body {x-t: 1} 1000; ret 1\n${SHOW}${RESUME}`),
    requests: [{}],
  },
  { name: "callout-trailers", filters: one(`rqh: http callout {:path: /trailers, :method: GET, :authority: x} "" {} 1000; ret 1\n${SHOW}${RESUME}`), requests: [{}] },
  { name: "callout-empty", filters: one(`rqh: http callout {:path: /empty, :method: GET, :authority: x} "" {} 1000; ret 1\n${SHOW}${RESUME}`), requests: [{}] },
  { name: "callout-status", filters: one(`rqh: http callout {:path: /status/418, :method: GET, :authority: x} "" {} 1000; ret 1\n${SHOW}${RESUME}`), requests: [{}] },
  {
    name: "callout-bad",
    filters: one(`
rqh: http nope ${GET} "" {} 1000; http callout {:method: GET, :authority: x} "" {} 1000; http callout {:path: /, :authority: x} "" {} 1000; http callout {:path: /, :method: GET} "" {} 1000
rqh: http callout ${GET} "" {} -1; http callout {} "" {} 1000; http callout xx "" {} 1000; http "" ${GET} "" {} 1000; http callout ${GET} "" xx 1000; http callout ${GET} "" {} 1000
hcr: pairs 6`),
    upstream: { delayMs: 100 },
    requests: [{}],
    afterMs: 100,
  },
  {
    name: "callout-tokens",
    filters: one(`rqh: http callout ${GET} "" {} 1000; http unserved ${GET} "" {} 1000; http callout ${GET} "" {} 1000; grpc_call grpc svc Echo {} m 1000 =a; grpc_cancel $a; grpc_stream grpc svc Echo {} =b; grpc_cancel $b; http callout ${GET} "" {} 1000; ret 1\nhcr@3: effective $stream; continue 0`),
    requests: [{}],
    afterMs: 50,
  },
  { name: "callout-refused", filters: one(`rqh: http refused ${GET} "" {} 1000; ret 1\n${SHOW}${RESUME}`), requests: [{}] },
  { name: "callout-reset", filters: one(`rqh: http callout {:path: /reset, :method: GET, :authority: x} "" {} 1000; ret 1\n${SHOW}${RESUME}`), requests: [{}] },
  { name: "callout-timeout", filters: one(`rqh: http callout {:path: /slow, :method: GET, :authority: x} "" {} 50; ret 1\n${SHOW}${RESUME}`), requests: [{}] },
  { name: "callout-no-endpoint", filters: one(`rqh: http unserved ${GET} "" {} 1000; status; http callout ${GET} "" {} 1000\nhcr: status`), upstream: { delayMs: 100 },
    requests: [{}], afterMs: 50 },
  {
    name: "callout-stream-gone",
    filters: one(`rqh: http callout {:path: /slow, :method: GET, :authority: x} "" {} 1000\n${SHOW}; effective $stream; get 0 :path; effective $root; effective 99; effective 0`),
    requests: [{}],
    afterMs: 400,
  },
  {
    name: "callout-everywhere",
    filters: one(`rqh: ret 0\nlog: http callout ${GET} "" {} 1000\ndone: http callout ${GET} "" {} 1000\ndel: http callout ${GET} "" {} 1000\nhcr: buf 4 0 99; get 6 :status`),
    requests: [{}],
    afterMs: 100,
  },
  {
    name: "callout-from-callout",
    filters: one(`rqh: http callout ${GET} "" {} 1000; ret 1\nhcr@1: http callout {:path: /status/201, :method: GET, :authority: x} "" {} 1000; buf 4 0 99\nhcr@2: get 6 :status; effective $stream; continue 0`),
    requests: [{}],
  },
  {
    name: "callout-maps-elsewhere",
    filters: one(`rqh: http callout ${GET} "" {} 1000; ret 1; status\nhcr: add 6 a b; replace 6 x-from me; remove 6 x-from; set_pairs 6 {a: b}; set_buf 4 0 0 x; buf 4 0 9; get 0 :path; get 2 a; prop request.path; effective $stream; get 6 x-from; continue 0\nrsh: get 6 x-from; buf 4 0 9; status`),
    requests: [{}],
  },
  {
    name: "grpc-unary",
    filters: one(`rqh: grpc_call grpc my.Service Echo {x-md: 1} hello 1000; ret 1\ngri: pairs 4; get 4 x-initial\ngrr: status; buf 5 0 99; buf_status 5; effective $stream; continue 0\ngrt: pairs 5\ngrc: status; effective $stream; continue 0`),
    requests: [{}, {}],
  },
  {
    name: "grpc-unary-fail",
    filters: one(`rqh: grpc_call grpc my.Service Fail {} hello 1000; ret 1\ngri: pairs 4\ngrr: buf 5 0 99\ngrt: pairs 5\ngrc: status; effective $stream; continue 0`),
    requests: [{}],
  },
  {
    name: "grpc-bad",
    filters: one(`rqh: grpc_call nope s m {} "" 1000; grpc_stream nope s m {}; grpc_send 5 x 0; grpc_send 6 x 0; grpc_send 4 x 0; grpc_send 7 x 0; grpc_cancel 5; grpc_cancel 6; grpc_cancel 4; grpc_cancel 7; grpc_close 5; grpc_close 6; grpc_close 4; grpc_close 7; grpc_send 0 x 0; grpc_cancel 0; grpc_close 0`),
    requests: [{}],
  },
  {
    name: "grpc-stream",
    filters: one(`rqh: grpc_stream grpc my.Service Twice {x-md: 1} =s; grpc_send $s one 0; ret 1\ngri: pairs 4; buf 5 0 9; status\ngrr@1: buf 5 0 99; get 4 x-initial; grpc_send $s two 1\ngrr: buf 5 0 99; status\ngrt: pairs 5; get 5 x-trailing\ngrc: status; grpc_send $s x 0; grpc_close $s; grpc_cancel $s; effective $stream; continue 0`),
    requests: [{}],
  },
  {
    name: "grpc-stream-cancel",
    filters: one(`rqh: grpc_stream grpc my.Service Echo {} =s; grpc_send $s one 0; ret 1\ngrr: buf 5 0 99; grpc_cancel $s; grpc_cancel $s; effective $stream; continue 0\ngrc: status`),
    requests: [{}],
    afterMs: 50,
  },
  {
    name: "grpc-stream-close",
    filters: one(`rqh: grpc_stream grpc my.Service Echo {} =s; grpc_send $s one 0; ret 1\ngrr: buf 5 0 99; grpc_close $s; grpc_close $s\ngrt: pairs 5\ngrc: status; effective $stream; continue 0`),
    requests: [{ patienceMs: 400 }],
    afterMs: 50,
  },
  {
    name: "grpc-stream-fail",
    filters: one(`rqh: grpc_stream grpc my.Service Fail {} =s; ret 1\ngri: pairs 4\ngrt: pairs 5\ngrc: status; effective $stream; continue 0`),
    requests: [{}],
  },
  {
    name: "grpc-refused",
    filters: one(`rqh: grpc_call refused s m {} x 1000; grpc_stream refused s m {}; ret 1\ngri: pairs 4\ngrt: pairs 5\ngrc@1: status\ngrc@2: status; effective $stream; continue 0`),
    requests: [{ patienceMs: 500 }],
  },
  // One callback with both leaves an Envoy that does not end when it is told to.
  {
    name: "grpc-call-no-endpoint",
    filters: one(`rqh: grpc_call unserved s m {} x 1000; status\ngrr: buf 5 0 9\ngrc: status`),
    requests: [{}],
  },
  {
    name: "grpc-stream-no-endpoint",
    filters: one(`rqh: grpc_stream unserved s m {}; status\ngri: pairs 4\ngrt: pairs 5\ngrc: status`),
    requests: [{}],
  },
  {
    name: "grpc-bye",
    filters: one(`rqh: grpc_stream grpc my.Service Bye {} =s; grpc_send $s x 1; ret 1\ngri: ret 0\ngrr: buf 5 0 9\ngrt: pairs 5\ngrc: status; effective $stream; continue 0`),
    requests: [{}],
  },
  {
    name: "grpc-stale-status",
    filters: one(`rqh#1: grpc_call grpc s Fail {} x 1000; ret 1\nrqh#2: grpc_call grpc s Echo {} x 1000; ret 1\ngrr: status; effective $stream; continue 0\ngrc: status; effective $stream; continue 0`),
    requests: [{}, {}],
  },
]; // prettier-ignore
