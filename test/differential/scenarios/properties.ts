import type { Scenario } from "../scenario.ts";

const one = (script: string): Scenario["filters"] => [{ script }];
const all = (moment: string, command: string, names: readonly string[]): string =>
  `${moment}: ${names.map((name) => `${command} ${name}`).join("; ")}`;

const REQUEST = [
  "path",
  "url_path",
  "host",
  "scheme",
  "method",
  "referer",
  "useragent",
  "id",
  "protocol",
  "query",
  "size",
  "total_size",
  "duration",
].map((name) => `request.${name}`);
const RESPONSE = [
  "code",
  "code_details",
  "flags",
  "grpc_status",
  "size",
  "total_size",
  "backend_latency",
  "headers.x-up",
  "trailers.x-t",
].map((name) => `response.${name}`);
const CONNECTION = [
  "mtls",
  "requested_server_name",
  "tls_version",
  "subject_local_certificate",
  "subject_peer_certificate",
  "dns_san_local_certificate",
  "dns_san_peer_certificate",
  "uri_san_local_certificate",
  "uri_san_peer_certificate",
  "sha256_peer_certificate_digest",
  "transport_failure_reason",
  "termination_details",
].map((name) => `connection.${name}`);
const TOP = [
  "plugin_name",
  "plugin_root_id",
  "plugin_vm_id",
  "node",
  "node.id",
  "cluster_name",
  "cluster_metadata",
  "route_name",
  "route_metadata",
  "listener_direction",
  "listener_metadata",
  "upstream_host_metadata",
  "nope",
  "request",
  "response",
  "source",
  "connection",
  "upstream",
  "metadata",
  "filter_state",
  "upstream_filter_state",
  "xds",
];
const XDS = [
  "cluster_name",
  "cluster_metadata",
  "listener_direction",
  "listener_metadata",
  "route_name",
  "route_metadata",
  "virtual_host_name",
  "virtual_host_metadata",
  "upstream_host_metadata",
  "filter_chain_name",
  "nope",
].map((name) => `xds.${name}`);
const UPSTREAM = [
  "tls_version",
  "transport_failure_reason",
  "request_attempt_count",
  "num_endpoints",
  "locality",
  "subject_local_certificate",
].map((name) => `upstream.${name}`);
const SIZES = [
  "source.address",
  "source.port",
  "destination.address",
  "destination.port",
  "upstream.address",
  "upstream.port",
  "upstream.local_address",
  "upstream.cx_pool_ready_duration",
  "connection.id",
  "connection_id",
  "request.time",
];

/** Properties: which there are, when, and how they are written down. */
export const propertyScenarios: readonly Scenario[] = [
  ...["rqh", "rsh", "rsb@e", "log"].map((moment): Scenario => ({
    name: `properties-${moment.replace("@", "-")}`,
    filters: one([
      all(moment, "prop", REQUEST.filter((name) => !name.endsWith("duration") || moment !== "log")),
      all(moment, "prop", RESPONSE.filter((name) => !/latency|total_size/.test(name) || moment === "rqh")),
      all(moment, "prop", CONNECTION), all(moment, "prop", TOP), all(moment, "prop", XDS), all(moment, "prop", UPSTREAM),
      all(moment, "prop_size", SIZES),
    ].join("\n")),
    upstream: { headers: [["x-up", "1"]], body: ["abc", "def"] },
    requests: [{ method: "POST", path: "/p?a=b&c", body: ["abc"], headers: [["referer", "me"], ["user-agent", "agent"]], withLength: true }],
  })),
  {
    name: "properties-root",
    filters: one([all("cfg", "prop", [...REQUEST, ...RESPONSE, ...CONNECTION, ...TOP, ...XDS, ...UPSTREAM]), all("cfg", "prop_size", SIZES), "rqh: effective $root; prop request.path; prop plugin_root_id; prop xds.cluster_name"].join("\n")),
    requests: [{}],
  },
  {
    name: "properties-addresses",
    filters: one("rqh: prop source.address; prop destination.address; prop source; prop destination; prop source.nope\nrsh: prop upstream.address; prop upstream.local_address"),
    requests: [{ protocol: "http2" }],
  },
  {
    name: "properties-forms",
    filters: one(`
rqh: prop "request\\0path"; prop "request\\0path\\0"; prop "request.path"; prop ""; prop "\\0"; prop request; prop "request\\0"; prop request.path.more; prop request.nope; prop "REQUEST\\0path"
rqh: prop request.headers.X-A; prop request.headers.x-a; prop request.headers.nope; prop_size request.headers; prop_map request.headers; prop request.headers.x-a.more; prop request.headers.:path; prop response.headers; prop response.headers.x
rsh: prop_map response.headers; prop response.trailers; prop response.trailers.x`),
    requests: [{ headers: [["x-a", "1"], ["X-A", "2"]] }],
  },
  {
    name: "properties-set",
    filters: one(`
rqh: set_prop foo bar; prop foo; prop wasm.foo; prop filter_state.wasm.foo; prop "filter_state\\0wasm.foo"; set_prop foo other; prop foo; set_prop empty ""; prop empty
rqh: set_prop a.b deep; prop a.b; prop "a.b"; prop filter_state.a.b; set_prop "with.dots" 1; prop "with.dots"; prop with.dots
rqh: set_prop request.path /fake; prop request.path; set_prop plugin_name x; prop plugin_name; set_prop "" empty; prop ""
rsh: prop foo; set_prop late 1; prop late
log: prop foo; prop late; set_prop log 1; prop log
cfg: set_prop root 1; prop root`),
    requests: [{}, {}],
  },
  {
    name: "properties-shared-in-chain",
    filters: [{ script: "rqh: set_prop foo one\nrsh: prop foo; prop bar" }, { script: "rqh: prop foo; set_prop foo two; prop foo; set_prop bar 1" }],
    requests: [{}],
  },
  {
    name: "properties-pointers",
    filters: one("rqh: prop ^4294967280:99; prop request.path >4294967290; prop nope >4294967290; set_prop ^4294967280:99 x; set_prop foo ^4294967280:99; prop foo"),
    requests: [{}],
  },
  { name: "properties-node", filters: one("rqh: prop xds.node.id; prop xds.node.cluster"), requests: [{}] },
  {
    name: "properties-direct",
    filters: one("rsh: prop upstream.address; prop xds.cluster_name; prop xds.route_name; prop response.code_details; prop response.code; prop upstream.request_attempt_count\nlog: prop response.code_details; prop response.flags; prop response.code; prop xds.cluster_name"),
    upstream: "direct",
    requests: [{}],
  },
]; // prettier-ignore
