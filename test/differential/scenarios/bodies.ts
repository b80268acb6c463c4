import type { Scenario } from "../scenario.ts";

const one = (script: string): Scenario["filters"] => [{ script }];
const THREE = ["abc", "def", "ghi"];
const post = { method: "POST", body: THREE } as const;

/** Bodies: how they come in pieces, what a filter does with the pieces, trailers. */
export const bodyScenarios: readonly Scenario[] = [
  {
    name: "pieces",
    filters: one("rqb: buf 0 0 100; buf_status 0\nrsb: buf 1 0 100; buf_status 1"),
    upstream: { body: THREE },
    requests: [post, { ...post, withLength: true }, { ...post, protocol: "http2" }],
  },
  {
    name: "pieces-http2-upstream",
    filters: one("rqb: buf 0 0 100\nrsb: buf 1 0 100"),
    upstream: { body: THREE, protocol: "http2" },
    requests: [post, { ...post, protocol: "http2" }],
  },
  { name: "direct-body", filters: one("rqh: ret 0\nrsb: buf 1 0 100"), upstream: "direct", requests: [{}, post] },
  ...[1, 2, 3, 4].map((answer): Scenario => ({
    name: `stop-${answer}-once`,
    filters: one(`rqb@1: buf 0 0 100; ret ${answer}\nrqb@2: buf 0 0 100\nrqb@3: buf 0 0 100\nrsb@1: buf 1 0 100; ret ${answer}\nrsb@2: buf 1 0 100\nrsb@3: buf 1 0 100`),
    upstream: { body: THREE },
    requests: [post],
  })),
  ...[1, 2, 3].map((answer): Scenario => ({
    name: `stop-${answer}-twice`,
    filters: one(`rqb@1: ret ${answer}\nrqb@2: buf 0 0 100; ret ${answer}\nrqb@3: buf 0 0 100\nrsb@1: ret ${answer}\nrsb@2: buf 1 0 100; ret ${answer}\nrsb@3: buf 1 0 100`),
    upstream: { body: THREE },
    requests: [post, { ...post, protocol: "http2" }],
  })),
  ...[1, 2, 3].map((answer): Scenario => ({
    name: `stop-${answer}-always`,
    filters: one(`rqb: buf 0 0 100; ret ${answer}`),
    upstream: { body: THREE },
    requests: [{ ...post, patienceMs: 200 }],
  })),
  {
    name: "buffer-then-change",
    filters: one("rqb@1: ret 1\nrqb@2: set_buf 0 0 99 ZZZZZ; buf 0 0 100; ret 1\nrqb@3: buf 0 0 100; set_buf 0 0 1 -; ret 1\nrqb@4: buf 0 0 100"),
    requests: [post],
  },
  {
    name: "set-buffer",
    filters: one(`
rqb@1: set_buf 0 0 0 <; buf 0 0 100; set_buf 0 0 2 ab; buf 0 0 100; set_buf 0 0 9999 whole; buf 0 0 100; set_buf 0 5 0 end; buf 0 0 100
rqb@1: set_buf 0 99 5 far; buf 0 0 100; set_buf 0 4294967295 4294967295 max; buf 0 0 100; set_buf 0 1 1 in; set_buf 0 3 4294967295 in; buf 0 0 100; set_buf 0 0 3 ""; buf 0 0 100
rqb@2: set_buf 0 0 3 ""; buf 0 0 100; buf_status 0; set_buf 0 0 0 x; set_buf 0 0 1 ""; buf 0 0 100
rqb@3: set_buf 0 0 0 tail`),
    requests: [post],
  },
  {
    name: "get-buffer",
    filters: one(`
rqb@1: buf 0 0 4294967295; buf 0 1 4294967295; buf 0 2 1; buf 0 3 1; buf 0 99 1; buf 0 2 4294967295; buf 0 4294967295 1; buf 0 0 0; buf 0 0 2
rqh: buf 0 0 9; buf 1 0 9; buf 2 0 9; buf 3 0 9; buf 4 0 9; buf 5 0 9; buf 7 0 9; buf 8 0 9; buf 9 0 9; buf 99 0 9
rqh: buf_status 0; buf_status 1; buf_status 2; buf_status 3; buf_status 4; buf_status 5; buf_status 6; buf_status 7; buf_status 8; buf_status 9
rqh: set_buf 0 0 0 x; set_buf 1 0 0 x; set_buf 2 0 0 x; set_buf 3 0 0 x; set_buf 4 0 0 x; set_buf 5 0 0 x; set_buf 6 0 0 x; set_buf 7 0 0 x; set_buf 8 0 0 x; set_buf 9 0 0 x
rqb@1: buf 1 0 9; set_buf 1 0 0 x; buf_status 1
rsb@1: buf 0 0 9; set_buf 0 0 0 x; buf_status 0; buf 1 0 9
cfg: buf_status 7; buf 0 0 9; buf 8 0 9; set_buf 7 0 0 x; set_buf 0 0 0 x`),
    requests: [post],
  },
  {
    name: "vm-configuration",
    filters: [{ script: "rqh: buf 6 0 100; buf 6 3 2; buf_status 6; buf 6 99 2\ncfg: buf 6 0 100; buf_status 6\nlog: buf 6 0 2\ndel: buf 6 0 2", vmConfiguration: "vms: buf 7 0 9; buf 6 0 4; buf_status 6" }],
    requests: [{}],
  },
  {
    name: "header-stop",
    filters: one("rqh: ret 1\nrqb: buf 0 0 100"),
    requests: [{ ...post, patienceMs: 200 }, { patienceMs: 200 }],
  },
  ...[2, 3, 4, 99].map((answer): Scenario => ({
    name: `header-stop-${answer}`,
    filters: one(`rqh: ret ${answer}\nrqb: buf 0 0 100`),
    requests: [{ ...post, patienceMs: 200 }],
  })),
  ...[1, 2, 3, 4].map((answer): Scenario => ({
    name: `header-stop-allowed-${answer}`,
    filters: [{ allowOnHeadersStopIteration: true, script: `rqh: ret ${answer}\nrqb: get 0 :path; add 0 x-piece one; buf 0 0 100; get 0 x-piece` }],
    requests: [{ ...post, patienceMs: 200 }],
  })),
  {
    name: "response-header-stop",
    filters: one("rsh: ret 1\nrsb: buf 1 0 100"),
    requests: [{ patienceMs: 200 }],
  },
  {
    name: "response-header-stop-allowed",
    filters: [{ allowOnHeadersStopIteration: true, script: "rsh: ret 1\nrsb: get 2 :status; add 2 x-piece one; buf 1 0 100" }],
    upstream: { body: THREE },
    requests: [{ patienceMs: 400 }],
  },
  {
    name: "header-stop-resumed",
    filters: one("rqh: http callout {:path: /ok, :method: GET, :authority: x} \"\" {} 1000; ret 1\nhcr: effective $stream; add 0 x-late 1; get 0 :path; prop request.path; replace 0 :path /moved; prop request.path; continue 0; get 0 :path\nrqb: get 0 :path; buf 0 0 100"),
    requests: [post, {}, { ...post, protocol: "http2" }],
  },
  {
    name: "response-stop-resumed",
    filters: one("rsh: http callout {:path: /slow, :method: GET, :authority: x} \"\" {} 1000; ret 1\nhcr: effective $stream; add 2 x-late 1; get 2 :status; continue 1; get 2 :status\nrsb: buf 1 0 100"),
    upstream: { body: THREE },
    requests: [{}],
  },
  {
    name: "body-stop-resumed-last",
    filters: one("rqb@e: http callout {:path: /ok, :method: GET, :authority: x} \"\" {} 1000; ret 1\nhcr: effective $stream; buf 0 0 100; set_buf 0 0 2 TT; buf 0 0 100; continue 0; buf 0 0 100"),
    requests: [post, { ...post, protocol: "http2" }],
  },
  {
    name: "body-stop-resumed-all",
    filters: one("rqb: ret 1\nrqb@e: http callout {:path: /ok, :method: GET, :authority: x} \"\" {} 1000; ret 1\nhcr: effective $stream; buf 0 0 100; set_buf 0 0 99 REPLACED; buf 0 0 100; continue 0"),
    requests: [post, { ...post, protocol: "http2" }],
  },
  {
    name: "response-body-stop-resumed",
    filters: one("rsb: ret 1\nrsb@e: http callout {:path: /ok, :method: GET, :authority: x} \"\" {} 1000; ret 1\nhcr: effective $stream; buf 1 0 100; set_buf 1 0 99 REPLACED; continue 1"),
    upstream: { body: THREE },
    requests: [{}, { protocol: "http2" }],
  },
  {
    name: "continue-in-body",
    filters: one("rqb@1: ret 1\nrqb@2: continue 0; buf 0 0 9; get 0 :path; ret 1\nrqb@3: buf 0 0 100"),
    requests: [post],
  },
  {
    name: "longer-than-length",
    filters: one("rsb@1: set_buf 1 0 0 LONG"),
    upstream: { body: ["12345"], withLength: true },
    requests: [{}],
  },
  {
    name: "shorter-than-length",
    filters: one("rsb@1: set_buf 1 0 4 \"\""),
    upstream: { body: ["12345"], withLength: true },
    requests: [{ patienceMs: 300 }],
  },
  {
    name: "length-removed",
    filters: one("rsh: remove 2 content-length\nrsb@1: set_buf 1 0 0 LONG"),
    upstream: { body: ["12345"], withLength: true },
    requests: [{}, { protocol: "http2" }],
  },
  {
    name: "request-longer-than-length",
    filters: one("rqb@1: set_buf 0 0 0 LONG"),
    requests: [{ method: "POST", body: ["12345"], withLength: true }],
  },
  {
    name: "buffer-limit",
    filters: one("rqb: ret 1\nrsh: pairs 2\nrsb: buf 1 0 100\nlog: prop response.code_details; prop response.flags"),
    requests: [{ method: "POST", body: ["a".repeat(600_000), "b".repeat(600_000)] }],
  },
  {
    name: "response-buffer-limit",
    filters: one("rsb: ret 1\nrsh@2: pairs 2\nlog: prop response.code_details; prop response.code"),
    upstream: { body: ["a".repeat(600_000), "b".repeat(600_000)] },
    requests: [{}],
  },
  {
    name: "real-trailers",
    filters: one("rqb: add 1 a b; get 1 x-t\nrqt: pairs 1; add 1 x-more 2; get 1 x-t; map_size 1; add 3 a b; get 0 :path\nrsb: add 3 a b; get 3 x-t\nrst: pairs 3; replace 3 x-t new; remove 3 x-gone; add 3 x-a 1; add 3 x-a 2; pairs 3; get 2 :status"),
    upstream: { protocol: "http2", body: THREE, trailers: [["x-t", "1"], ["x-gone", "1"]] },
    requests: [{ ...post, protocol: "http2", trailers: [["x-t", "1"]] }],
  },
  {
    name: "trailers-without-body",
    filters: one("rqt: pairs 1; get 0 :path; set_pairs 1 {x-set: 1}\nrst: pairs 3; set_pairs 3 {x-set: 1}; pairs 3"),
    upstream: { protocol: "http2", body: [], trailers: [["x-t", "1"]] },
    requests: [{ protocol: "http2", method: "POST", trailers: [["x-t", "1"]] }],
  },
  {
    name: "trailers-http1",
    filters: one("rqt: pairs 1\nrst: pairs 3"),
    upstream: { body: THREE, trailers: [["x-t", "1"]] },
    requests: [{ ...post, trailers: [["x-t", "1"]] }],
  },
  {
    name: "new-trailers",
    filters: one("rqb@1: add 1 x-new 1; pairs 1; get 1 x-new; map_size 1\nrqb@e: add 1 x-new 1; add 1 x-new 2; pairs 1; get 1 x-new\nrsb@1: add 3 x-new 1\nrsb@e: get 3 nope; pairs 3; replace 3 x-new 1; pairs 3\nrqt: pairs 1\nrst: pairs 3"),
    upstream: { protocol: "http2", body: THREE },
    requests: [{ ...post, protocol: "http2" }],
  },
  {
    name: "trailer-stop-resumed",
    filters: one("rqb: ret 1\nrqt: buf 0 0 100; set_buf 0 0 99 ALL; http callout {:path: /ok, :method: GET, :authority: x} \"\" {} 1000; ret 1\nhcr: effective $stream; get 1 x-t; buf 0 0 100; add 1 x-late 1; continue 0"),
    upstream: { protocol: "http2" },
    requests: [{ ...post, protocol: "http2", trailers: [["x-t", "1"]] }],
  },
  {
    name: "held-body-and-trailers",
    filters: one("rqb@3: buf 0 0 100; ret 1\nrqt: buf 0 0 100; set_buf 0 0 99 T; buf 0 0 100\nrsb@3: ret 1\nrst: buf 1 0 100; set_buf 1 0 99 T"),
    upstream: { protocol: "http2", body: THREE, trailers: [["x-t", "1"]] },
    requests: [{ ...post, protocol: "http2", trailers: [["x-t", "1"]] }],
  },
  {
    name: "empty-pieces",
    filters: one("rqb: buf 0 0 9\nrsb: buf 1 0 9"),
    upstream: { protocol: "http2", body: ["", "a", ""] },
    requests: [{ method: "POST", protocol: "http2", body: ["", "a", ""] }],
  },
  {
    name: "emptied-body",
    filters: one("rqb: set_buf 0 0 99 \"\"\nrsb: set_buf 1 0 99 \"\""),
    upstream: { body: THREE },
    requests: [post, { ...post, protocol: "http2" }],
  },
  {
    name: "early-answer",
    filters: one("rqb: buf 0 0 100\nrsb: buf 1 0 100"),
    upstream: { early: true, delayMs: 30, body: ["early"], withLength: true },
    requests: [{ method: "POST", body: ["abc", "def", "ghi", "jkl", "mno"] }],
  },
  {
    name: "two-filters-bodies",
    filters: [{ script: "rqb@1: ret 1\nrqb: buf 0 0 100\nrsb: buf 1 0 100; set_buf 1 0 0 1" }, { script: "rqb: buf 0 0 100; set_buf 0 0 0 2\nrsb: buf 1 0 100\nrsb@1: ret 1" }],
    upstream: { body: THREE },
    requests: [post],
  },
]; // prettier-ignore
