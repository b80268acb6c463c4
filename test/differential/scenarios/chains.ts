import type { FilterSpec, RequestSpec, Scenario } from "../scenario.ts";

const THREE = ["abc", "def", "ghi"];
const post: RequestSpec = { method: "POST", body: THREE };
const CALL = 'http callout {:path: /ok, :method: GET, :authority: x} "" {} 1000';
const SLOW = 'http callout {:path: /slow, :method: GET, :authority: x} "" {} 1000';
const WATCH = "rqb: buf 0 0 100\nrqt: pairs 1\nrsh: get 2 :status\nrsb: buf 1 0 100\nrst: pairs 3";
const watch: FilterSpec = { script: WATCH };

/** Several filters, where one holds the stream and others wait or have gone on. */
export const chainScenarios: readonly Scenario[] = [
  { name: "chain-first-holds-headers", filters: [{ script: `rqh: ${CALL}; ret 1\nhcr: effective 3; continue 0\n${WATCH}` }, watch], requests: [post, {}] },
  { name: "chain-second-holds-headers", filters: [watch, { script: `rqh: ${CALL}; ret 1\nhcr: effective $stream; continue 0\n${WATCH}` }], requests: [post, { ...post, protocol: "http2", trailers: [["x-t", "1"]] }] },
  { name: "chain-second-holds-body", filters: [watch, { script: `rqb: ret 1\nrqb@e: ${CALL}; ret 1\nhcr: effective $stream; set_buf 0 0 99 NEW; continue 0` }, watch], requests: [post, { ...post, protocol: "http2" }] },
  { name: "chain-first-holds-body", filters: [{ script: `rqb: ret 1\nrqb@e: ret 0` }, { script: `rqb: ret 1\nrqb@e: ret 0` }, watch], requests: [post, { ...post, protocol: "http2" }] },
  { name: "chain-response-first-holds", filters: [{ script: `rsh: ${SLOW}; ret 1\nhcr: effective 4; continue 1\n${WATCH}` }, watch], upstream: { body: THREE }, requests: [{}] },
  { name: "chain-response-second-holds", filters: [watch, { script: `rsh: ${SLOW}; ret 1\nhcr: effective $stream; continue 1\n${WATCH}` }], upstream: { body: THREE }, requests: [{}] },
  { name: "chain-response-body-second-holds", filters: [watch, { script: `rsb: ret 1\nrsb@e: ${CALL}; ret 1\nhcr: effective $stream; set_buf 1 0 99 NEW; continue 1` }, watch], upstream: { body: THREE }, requests: [{}, { protocol: "http2" }] },
  { name: "chain-local-second-response", filters: [watch, { script: "rsh: local 503 d replaced {x-own: 1} -1" }, watch], requests: [{}] },
  { name: "chain-local-first-response", filters: [{ script: "rsh: local 503 d replaced {x-own: 1} -1" }, watch], requests: [{}] },
  { name: "chain-local-body", filters: [watch, { script: `rqb@2: local 413 d no {} -1\n${WATCH}` }, watch], requests: [post] },
  { name: "chain-local-late", filters: [watch, { script: `rqh: ${CALL}; ret 1\nhcr: effective $stream; local 401 d no {} -1\nrsh: add 2 x-second 1` }, watch], requests: [post] },
  { name: "chain-close-second", filters: [watch, { script: "rqb@2: close 0" }, watch], requests: [post] },
  { name: "chain-new-trailers", filters: [{ script: "rqb@e: add 1 x-first 1\nrst: pairs 3; add 3 x-first 1" }, { script: "rqt: pairs 1; add 1 x-second 1\nrsb@e: add 3 x-second 1\nrst: pairs 3" }, watch], upstream: { protocol: "http2", body: THREE }, requests: [{ ...post, protocol: "http2" }] },
  { name: "chain-trap-second", filters: [watch, { ownVm: "other", script: "rqh#2: trap" }, watch], requests: [post, post, post] },
  { name: "chain-trap-open-second", filters: [watch, { ownVm: "other", failurePolicy: "open", script: "rqh#2: trap" }, watch], requests: [post, post, post] },
  { name: "chain-emptied", filters: [{ script: "rqb: set_buf 0 0 99 \"\"\nrsb: set_buf 1 0 99 \"\"" }, watch], upstream: { body: THREE }, requests: [post] },
  { name: "chain-grown", filters: [{ script: "rqb@1: set_buf 0 99 0 *70000x" }, { script: "rqb: ret 1\nrqb@e: buf 0 0 200000" }], requests: [post] },
  { name: "new-trailers-http1", filters: [{ script: "rqb@e: add 1 x-new 1\nrsb@e: add 3 x-new 1\nrqt: pairs 1\nrst: pairs 3" }], upstream: { body: THREE }, requests: [post] },
  { name: "trailers-held", filters: [{ script: "rqt: ret 1\nrst: ret 1" }], upstream: { protocol: "http2" }, requests: [{ ...post, protocol: "http2", trailers: [["x-t", "1"]], patienceMs: 300 }] },
  { name: "response-trailers-held", filters: [{ script: `rst: ${CALL}; ret 1\nhcr: effective $stream; add 3 x-late 1; continue 1` }], upstream: { protocol: "http2", body: THREE, trailers: [["x-t", "1"]] }, requests: [{ protocol: "http2" }] },
  { name: "watermark", filters: [{ script: "rqb: ret 2\nrsb: ret 2" }], upstream: { body: THREE }, requests: [post, { protocol: "http2" }] },
  { name: "response-allowed-body-stop", filters: [{ allowOnHeadersStopIteration: true, script: "rsh: ret 1\nrsb: ret 1\nrsb@e: replace 2 :status 201; set_buf 1 0 99 WHOLE; ret 0" }], upstream: { body: THREE }, requests: [{ patienceMs: 400 }, { protocol: "http2", patienceMs: 400 }] },
  { name: "request-allowed-body-stop", filters: [{ allowOnHeadersStopIteration: true, script: "rqh: ret 1\nrqb: ret 1\nrqb@e: replace 0 :path /by-body; set_buf 0 0 99 WHOLE; ret 0" }], requests: [post, { ...post, protocol: "http2" }] },
  { name: "allowed-trailers", filters: [{ allowOnHeadersStopIteration: true, script: "rqh: ret 1\nrqb: ret 1\nrqt: replace 0 :path /by-trailers; buf 0 0 100; ret 0" }], requests: [{ ...post, protocol: "http2", trailers: [["x-t", "1"]] }] },
]; // prettier-ignore
