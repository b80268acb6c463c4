import type { Scenario } from "../scenario.ts";

const one = (script: string): Scenario["filters"] => [{ script }];
const echo = {
  send: ["abc", "def"],
  answers: [
    { afterBytes: 3, data: "one" },
    { afterBytes: 6, data: "two" },
  ],
};

/** TCP connections. */
export const tcpScenarios: readonly Scenario[] = [
  { name: "tcp-plain", requests: [], filters: one("dsd: buf 2 0 99; buf_status 2; buf 3 0 99\nusd: buf 3 0 99; buf 2 0 99"), tcp: [echo, echo] },
  { name: "tcp-server-closes", requests: [], filters: one("dsd: buf 2 0 99\nusd: buf 3 0 99"), tcp: [{ ...echo, serverCloses: true }] },
  { name: "tcp-stopped", requests: [], filters: one("dsd@1: ret 1\ndsd@2: buf 2 0 99\nusd@1: ret 1\nusd@2: buf 3 0 99"), tcp: [echo] },
  { name: "tcp-stopped-all", requests: [], filters: one("dsd: buf 2 0 99; ret 1"), tcp: [echo] },
  { name: "tcp-changed", requests: [], filters: one("dsd: set_buf 2 0 1 X; set_buf 2 99 0 Y; buf 2 0 99\nusd: set_buf 3 0 99 new; set_buf 3 1 1 no"), tcp: [{ send: ["abc"], answers: [{ afterBytes: 3, data: "one" }] }] },
  { name: "tcp-new-stopped", requests: [], filters: one("ncn: ret 1\ndsd: buf 2 0 99"), tcp: [echo] },
  {
    name: "tcp-resumed",
    requests: [],
    filters: one('ncn: http callout {:path: /ok, :method: GET, :authority: x} "" {} 1000; ret 1\nhcr: effective $stream; continue 2; prop source.address\ndsd: buf 2 0 99'),
    tcp: [echo],
  },
  {
    name: "tcp-data-resumed",
    requests: [],
    filters: one('dsd@1: http callout {:path: /slow, :method: GET, :authority: x} "" {} 1000; ret 1\ndsd: ret 1\nhcr: effective $stream; buf 2 0 99; continue 2; continue 0\nusd: buf 3 0 99'),
    tcp: [{ ...echo, send: ["abc", "def", "ghi"] }],
  },
  { name: "tcp-upstream-resumed", requests: [], filters: one("usd@1: ret 1\nusd@2: continue 3; ret 1\nusd: buf 3 0 99"), tcp: [echo] },
  ...[0, 1, 2, 3].map((stream): Scenario => ({ name: `tcp-close-${stream}`, requests: [], filters: one(`dsd@2: close ${stream}; buf 2 0 99`), tcp: [echo] })),
  { name: "tcp-close-new", requests: [], filters: one("ncn: close 2"), tcp: [echo] },
  { name: "tcp-local", requests: [], filters: one("dsd@1: local 403 d b {} -1; get 0 a; pairs 0; add 0 a b; map_size 0; continue 3; continue 2; continue 1"), tcp: [echo] },
  {
    name: "tcp-properties",
    requests: [],
    filters: one("ncn: prop source.address; prop_size source.port; prop destination.address; prop connection.mtls; prop_size connection.id; prop request.path; prop response.code; prop xds.cluster_name; prop upstream.address; prop request.protocol; prop plugin_name; prop_size connection_id; prop_size request.time; set_prop foo 1; prop foo\nusd@1: prop upstream.address; prop xds.cluster_name; prop_size upstream.port; prop foo\nlog: prop source.address; prop upstream.address; prop foo; prop_size connection.termination_details; prop response.flags; prop_size request.duration"),
    tcp: [echo],
  },
  { name: "tcp-chain", requests: [], filters: [{ script: "dsd: set_buf 2 0 0 1\nusd: set_buf 3 0 0 1" }, { script: "dsd: buf 2 0 99; set_buf 2 0 0 2\nusd: buf 3 0 99; set_buf 3 0 0 2" }], tcp: [echo] },
  { name: "tcp-trap", requests: [], filters: one("dsd#1@1: trap"), tcp: [echo, echo] },
  { name: "tcp-trap-open", requests: [], filters: [{ failurePolicy: "open", script: "dsd#1@1: trap" }], tcp: [echo, echo] },
  { name: "tcp-buffers", requests: [], filters: one("ncn: buf 2 0 9; buf 3 0 9; buf 0 0 9; set_buf 2 0 0 x\ndsd@1: buf 2 1 1; buf 2 99 1; buf 2 0 4294967295; set_buf 2 0 0 \"\"; buf 0 0 9; set_buf 3 0 0 x\ndsc: buf 2 0 9; close 2; continue 2\nusc: buf 3 0 9\nlog: buf 2 0 9\ndone: buf 2 0 9; close 2"), tcp: [echo] },
]; // prettier-ignore
