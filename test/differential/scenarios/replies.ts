import type { Scenario } from "../scenario.ts";

const one = (script: string): Scenario["filters"] => [{ script }];
const OBSERVE =
  "\nrsh: pairs 2; get 0 :path\nrsb: buf 1 0 100\nlog: get 2 :status; prop response.code; prop response.code_details; prop response.flags; prop response.grpc_status";

/** Local responses, the ends of streams, and streams that are taken up again. */
export const replyScenarios: readonly Scenario[] = [
  {
    name: "local-from-request",
    filters: one(`rqh: local 403 "my details" no {X-Own: 1, x-own: 2, content-length: 99, content-type: text/own} -1${OBSERVE}`),
    requests: [{}, { protocol: "http2" }, { method: "HEAD" }],
  },
  { name: "local-empty", filters: one(`rqh: local 204 "" "" {} -1${OBSERVE}`), requests: [{}, { protocol: "http2" }] },
  { name: "local-plain", filters: one(`rqh: local 500 d body {} -1; ret 0${OBSERVE}`), requests: [{}] },
  { name: "local-from-body", filters: one(`rqb@2: local 413 d no {} -1; get 0 :path; buf 0 0 9${OBSERVE}`), requests: [{ method: "POST", body: ["abc", "def", "ghi"] }] },
  { name: "local-from-trailers", filters: one(`rqt: local 413 d no {} -1${OBSERVE}`), requests: [{ protocol: "http2", method: "POST", body: ["abc"], trailers: [["x-t", "1"]] }] },
  { name: "local-from-response", filters: one(`rsh: local 503 d no {x-own: 1} -1; get 2 :status${OBSERVE}`), requests: [{}, { protocol: "http2" }] },
  { name: "local-from-response-body", filters: one(`rsb@1: local 503 d no {} -1\nlog: get 2 :status; prop response.code; prop response.code_details; prop response.flags`), requests: [{}, { protocol: "http2" }] },
  { name: "local-from-response-trailers", filters: one(`rst: local 503 d no {} -1\nlog: prop response.code; prop response.code_details`), upstream: { protocol: "http2", trailers: [["x-t", "1"]] }, requests: [{ protocol: "http2" }] },
  { name: "local-twice", filters: one(`rqh: local 403 first one {} -1; local 404 second two {} -1${OBSERVE}`), requests: [{}] },
  { name: "local-odd-status", filters: one(`rqh: local 99 d b {} -1${OBSERVE}`), requests: [{}] },
  { name: "local-status-700", filters: one(`rqh: local 700 d b {} -1${OBSERVE}`), requests: [{ patienceMs: 300 }] },
  { name: "local-status-0", filters: one(`rqh: local 0 d b {} -1${OBSERVE}`), requests: [{ patienceMs: 300 }] },
  { name: "local-status-header", filters: one(`rqh: local 403 d b {:status: 418, :other: x, "A b": c} -1${OBSERVE}`), requests: [{ patienceMs: 300 }] },
  { name: "local-inline-headers", filters: one(`rqh: local 403 d b {location: /a, location: /b, set-cookie: a, set-cookie: b, server: mine, date: now} -1${OBSERVE}`), requests: [{}] },
  { name: "local-details", filters: one(`rqh: local 403 "a b\\tc\\nd" "" {} -1${OBSERVE}`), requests: [{}] },
  { name: "local-malformed-pairs", filters: one(`rqh: local 403 d b "xx" -1${OBSERVE}`), requests: [{}] },
  {
    name: "local-grpc",
    filters: one(
      `rqh#1: local 403 d "not you" {x-own: 1} -1\nrqh#2: local 403 d "not you" {} 7\nrqh#3: local 200 d "fine" {} 0\nrqh#4: local 403 d "" {} 16\nrqh#5: local 503 d "a\\nb%" {} 17${OBSERVE}`,
    ),
    requests: [1, 2, 3, 4, 5].map(() => ({
      protocol: "http2",
      method: "POST",
      headers: [["content-type", "application/grpc"]],
    })),
  },
  { name: "local-grpc-status-plain", filters: one(`rqh: local 403 d "not you" {} 7${OBSERVE}`), requests: [{}] },
  {
    name: "local-grpc-from-response",
    filters: one(`rsh: local 403 d "not you" {} 7${OBSERVE}`),
    upstream: { protocol: "http2" },
    requests: [{ protocol: "http2", method: "POST", headers: [["content-type", "application/grpc"]] }],
  },
  {
    name: "local-late",
    filters: one(`rqh: http callout {:path: /ok, :method: GET, :authority: x} "" {} 1000; ret 1\nhcr: effective $stream; local 401 late no {} -1; get 0 :path${OBSERVE}`),
    requests: [{}, { method: "POST", body: ["abc", "def"] }],
  },
  {
    name: "local-late-response",
    filters: one(`rsh: http callout {:path: /ok, :method: GET, :authority: x} "" {} 1000; ret 1\nhcr: effective $stream; local 401 late no {} -1\nrsb: buf 1 0 100\nlog: prop response.code; prop response.code_details; get 2 :status`),
    requests: [{}],
  },
  {
    name: "local-from-root",
    filters: one(`rqh: http callout {:path: /ok, :method: GET, :authority: x} "" {} 1000; ret 1\nhcr: local 401 late no {} -1; continue 0; close 0; effective $stream; continue 0`),
    requests: [{}],
  },
  {
    name: "local-chain",
    filters: [{ script: "rqh: ret 0\nrsh: add 2 x-first 1\nrsb: buf 1 0 9" }, { script: "rqh: local 403 d b {} -1\nrsh: add 2 x-second 1\nrsb: buf 1 0 9" }, { script: "rqh: get 0 :path\nrsh: get 2 :status\nlog: get 2 :status" }],
    requests: [{}],
  },
  {
    name: "local-changed",
    filters: one(`rqh: local 403 d first {} -1\nrsh: replace 2 :status 200; remove 2 content-length; add 2 x-new 1\nrsb: set_buf 1 0 99 other-body`),
    requests: [{}],
  },
  {
    name: "local-paused",
    filters: one(`rqh: local 403 d first {} -1\nrsh: ret 1`),
    requests: [{ patienceMs: 300 }],
  },
  {
    name: "local-body-paused",
    filters: one(`rqh: local 403 d first {} -1\nrsb: http callout {:path: /ok, :method: GET, :authority: x} "" {} 1000; ret 1\nhcr: effective $stream; set_buf 1 0 99 later; continue 1`),
    requests: [{ patienceMs: 500 }],
  },
  ...[0, 1, 2, 3, 9].map((stream): Scenario => ({
    name: `close-${stream}`,
    filters: one(`rqh: close ${stream}; get 0 :path${OBSERVE}`),
    requests: [{}, { protocol: "http2" }],
  })),
  { name: "close-in-response", filters: one(`rsh: close 1${OBSERVE}`), requests: [{}, { protocol: "http2" }] },
  { name: "close-in-response-body", filters: one(`rsb@1: close 0${OBSERVE}`), upstream: { body: ["abc", "def"] }, requests: [{}, { protocol: "http2" }] },
  { name: "close-in-body", filters: one(`rqb@2: close 0${OBSERVE}`), requests: [{ method: "POST", body: ["abc", "def", "ghi"] }] },
  {
    name: "close-late",
    filters: one(`rqh: http callout {:path: /ok, :method: GET, :authority: x} "" {} 1000; ret 1\nhcr: effective $stream; close 0; get 0 :path${OBSERVE}`),
    requests: [{}, { protocol: "http2" }],
  },
  { name: "continue-numbers", filters: one("rqh: continue 2; continue 3; continue 9; close 9\ncfg: continue 0; continue 1; continue 2; continue 3; continue 9; close 0; close 9"), requests: [{}] },
  { name: "continue-response-in-response", filters: one("rsb@1: get 2 :status; continue 1; get 2 :status; buf 1 0 9"), upstream: { body: ["abc", "def"] }, requests: [{}] },
  { name: "local-then-close", filters: one(`rqh: local 403 d b {} -1; close 0${OBSERVE}`), requests: [{}] },
  { name: "close-then-local", filters: one(`rqh: close 0; local 403 d b {} -1${OBSERVE}`), requests: [{}] },
  { name: "local-then-continue", filters: one(`rqb@1: local 403 d b {} -1; continue 0${OBSERVE}`), requests: [{ method: "POST", body: ["abc", "def"] }] },
  { name: "upstream-refused", filters: one(`rqh: ret 0${OBSERVE}`), upstream: { refused: true }, requests: [{}, { protocol: "http2" }] },
  { name: "upstream-reset", filters: one(`rqh: ret 0${OBSERVE}`), upstream: { reset: "at-once" }, requests: [{}] },
  { name: "upstream-reset-http2", filters: one(`rqh: ret 0${OBSERVE}`), upstream: { reset: "at-once", protocol: "http2" }, requests: [{}] },
  { name: "upstream-reset-late", filters: one(`rqh: ret 0${OBSERVE}`), upstream: { body: ["abc"], withLength: false, reset: "after-body" }, requests: [{}] },
  { name: "client-gone", filters: one(`rqb: buf 0 0 9${OBSERVE}`), upstream: { delayMs: 200 }, requests: [{ method: "POST", body: ["abc"], hangUpAfterMs: 30 }, { protocol: "http2", method: "POST", body: ["abc"], hangUpAfterMs: 30 }] },
  { name: "client-gone-paused", filters: one(`rqh: ret 1${OBSERVE}`), requests: [{ method: "POST", body: ["abc"], hangUpAfterMs: 30 }] },
]; // prettier-ignore
