import { describe, expect, it } from "vitest";
import { latin1 } from "../../../../src/host/guest-memory.ts";
import { HeaderMap } from "../../../../src/host/header-map.ts";
import { pluginConfig } from "../../../../src/host/plugin-config.ts";
import { readProperty } from "../../../../src/host/properties.ts";
import type { PropertySource } from "../../../../src/host/properties-values.ts";
import { newStreamInfo, type PropertyValue, type StreamInfo } from "../../../../src/host/stream-info.ts";

/** What a stream of HTTP/1 through a route `rt` of the virtual host `vh` to the cluster `up` has, as the test asked Envoy. */
function stream(more: Partial<StreamInfo> = {}): StreamInfo {
  return newStreamInfo(1_700_000_000_000_000_123n, {
    protocol: "HTTP/1.1",
    connectionId: 1n,
    source: { address: "127.0.0.1:34648", port: 34_648 },
    destination: { address: "127.0.0.1:44597", port: 44_597 },
    routeName: "rt",
    virtualHostName: "vh",
    clusterName: "up",
    requestBytes: 7,
    ...more,
  });
}

const request = new HeaderMap("request", [
  [":authority", "host:1"],
  [":path", "/a/b?q=1&r#f"],
  [":method", "POST"],
  [":scheme", "http"],
  ["x-multi", "1"],
  ["x-multi", "2"],
  ["user-agent", "ua"],
  ["referer", "ref"],
  ["x-request-id", "id"],
]);

const upstream: StreamInfo["upstream"] = {
  address: { address: "127.0.0.1:34917", port: 34_917 },
  localAddress: { address: "127.0.0.1:49584", port: 49_584 },
  tls: {},
  transportFailureReason: undefined,
  poolReadyDuration: 169_002n,
  endpoints: 1,
};

const response = new HeaderMap("response", [
  [":status", "200"],
  ["set-cookie", "a=1"],
  ["set-cookie", "b=2"],
]);

const plugin = pluginConfig({ name: "p0", rootId: "r0", vmId: "vm0" });

/** The moments of a stream by what there is of it: request headers, response headers, response body, log; and a root. */
const moments: Readonly<Record<string, PropertySource>> = {
  request: source({ stream: stream(), requestHeaders: request }),
  response: source({ stream: answered(), responseHeaders: response }),
  body: source({ stream: answered() }),
  log: source({
    stream: answered({ endTime: 1_700_000_000_000_001_123n, backendLatency: 4_043_874n, responseBytes: 10 }),
    requestHeaders: request,
    responseHeaders: response,
  }),
  root: source({ stream: undefined }),
};

function answered(more: Partial<StreamInfo> = {}): StreamInfo {
  return stream({ upstream, responseCode: 200, responseCodeDetails: "via_upstream", attemptCount: 1, ...more });
}

function source(given: Partial<PropertySource>): PropertySource {
  const nothing = {
    stream: undefined,
    requestHeaders: undefined,
    responseHeaders: undefined,
    responseTrailers: undefined,
  };
  return { ...nothing, plugin, ...given };
}

/** A readable form: the status when it is not Ok, text in quotes, 8 bytes as a number, other bytes as hex. */
function read(from: PropertySource, path: string): string | number | bigint {
  const value = readProperty(from, path.replaceAll("/", "\0"));
  if (typeof value === "number") return value;
  const text = latin1(value);
  if (/^[\x20-\x7e]*$/u.test(text)) return `"${text}"`;
  if (value.length === 8) return new DataView(value.buffer, value.byteOffset).getBigInt64(0, true);
  return Array.from(value, (byte) => byte.toString(16)).join(" ");
}

function row(path: string): unknown[] {
  return Object.values(moments).map((moment) => read(moment, path));
}

const EMPTY_MAP = "0 0 0 0";

describe("properties, as Envoy 1.40 answers them in request headers, response headers, response body, log, and on a root", () => {
  it.each([
    ["request/path", '"/a/b?q=1&r#f"', 1, 1, '"/a/b?q=1&r#f"', 1],
    ["request/url_path", '"/a/b"', 1, 1, '"/a/b"', 1],
    ["request/query", '"q=1&r"', 1, 1, '"q=1&r"', 1],
    ["request/host", '"host:1"', 1, 1, '"host:1"', 1],
    ["request/method", '"POST"', 1, 1, '"POST"', 1],
    ["request/id", '"id"', 1, 1, '"id"', 1],
    ["request/useragent", '"ua"', 1, 1, '"ua"', 1],
    ["request/headers/x-multi", '"1,2"', 1, 1, '"1,2"', 1],
    ["request/headers/X-Multi", '"1,2"', 1, 1, '"1,2"', 1],
    ["request/headers/host", '"host:1"', 1, 1, '"host:1"', 1],
    ["request/headers/none", 1, 1, 1, 1, 1],
    ["request/headers_bytes", BigInt(request.byteSize), 0n, 0n, BigInt(request.byteSize), 1],
    ["request/protocol", '"HTTP/1.1"', '"HTTP/1.1"', '"HTTP/1.1"', '"HTTP/1.1"', 1],
    ["request/duration", 1, 1, 1, 1000n, 1],
    ["request/size", 7n, 7n, 7n, 7n, 1],
    ["request/total_size", BigInt(request.byteSize + 7), 7n, 7n, BigInt(request.byteSize + 7), 1],
    ["request/nope", 1, 1, 1, 1, 1],
    ["request", 3, 3, 3, 3, 1],
    ["response", 3, 3, 3, 3, 1],
    ["response/code", 1, 200n, 200n, 200n, 1],
    ["response/code_details", 1, '"via_upstream"', '"via_upstream"', '"via_upstream"', 1],
    ["response/flags", 0n, 0n, 0n, 0n, 1],
    ["response/grpc_status", 1, 2n, 2n, 2n, 1],
    ["response/headers/set-cookie", 1, '"a=1,b=2"', 1, '"a=1,b=2"', 1],
    ["response/headers_bytes", 0n, 36n, 0n, 36n, 1],
    ["response/trailers", EMPTY_MAP, EMPTY_MAP, EMPTY_MAP, EMPTY_MAP, 1],
    ["response/total_size", 0n, 36n, 0n, 46n, 1],
    ["response/backend_latency", 1, 1, 1, 4_043_874n, 1],
    ["connection/id", 1n, 1n, 1n, 1n, 1],
    ["connection/mtls", "0", "0", "0", "0", 1],
    ["connection/requested_server_name", '""', '""', '""', '""', 1],
    ["connection/tls_version", 1, 1, 1, 1, 1],
    ["connection/transport_failure_reason", 1, 1, 1, 1, 1],
    ["connection/termination_details", 1, 1, 1, 1, 1],
    ["upstream/address", 1, '"127.0.0.1:34917"', '"127.0.0.1:34917"', '"127.0.0.1:34917"', 1],
    ["upstream/port", 1, 34_917n, 34_917n, 34_917n, 1],
    ["upstream/local_address", 1, '"127.0.0.1:49584"', '"127.0.0.1:49584"', '"127.0.0.1:49584"', 1],
    ["upstream/num_endpoints", 1n, 1n, 1n, 1n, 1],
    ["upstream/transport_failure_reason", 1, '""', '""', '""', 1],
    ["upstream/request_attempt_count", 0n, 1n, 1n, 1n, 1],
    ["upstream/cx_pool_ready_duration", 1, 169_002n, 169_002n, 169_002n, 1],
    ["upstream/locality", 1, '""', '""', '""', 1],
    ["upstream/locality/region", 1, '""', '""', '""', 1],
    ["metadata", '""', '""', '""', '""', 1],
    ["metadata/filter_metadata", EMPTY_MAP, EMPTY_MAP, EMPTY_MAP, EMPTY_MAP, 1],
    ["metadata/nope", 1, 1, 1, 1, 1],
    ["metadata/filter_metadata/x", 1, 1, 1, 1, 1],
    ["filter_state", 3, 3, 3, 3, 1],
    ["upstream_filter_state", 1, 3, 3, 3, 1],
    ["plugin_name", '"p0"', '"p0"', '"p0"', '"p0"', '"p0"'],
    ["plugin_root_id", '"r0"', '"r0"', '"r0"', '"r0"', '"r0"'],
    ["plugin_vm_id", '"vm0"', '"vm0"', '"vm0"', '"vm0"', '"vm0"'],
    ["plugin_name/x", 1, 1, 1, 1, 1],
    ["connection_id", 1n, 1n, 1n, 1n, 1],
    ["source", 3, 3, 3, 3, 1],
    ["source/address", ...Array.from({ length: 4 }, () => '"127.0.0.1:34648"'), 1],
    ["source/port", 34_648n, 34_648n, 34_648n, 34_648n, 1],
    ["destination/port", 44_597n, 44_597n, 44_597n, 44_597n, 1],
    ["source/nope", 1, 1, 1, 1, 1],
    ["xds", 3, 3, 3, 3, 3],
    ["xds/node/metadata", EMPTY_MAP, EMPTY_MAP, EMPTY_MAP, EMPTY_MAP, EMPTY_MAP],
    ["xds/node/locality", '""', '""', '""', '""', '""'],
    ["xds/node/nope", 1, 1, 1, 1, 1],
    ["xds/node/user_agent_name", '"envoy"', '"envoy"', '"envoy"', '"envoy"', '"envoy"'],
    ["xds/cluster_name", '"up"', '"up"', '"up"', '"up"', 1],
    ["xds/cluster_metadata", '""', '""', '""', '""', 1],
    ["xds/cluster_metadata/filter_metadata", EMPTY_MAP, EMPTY_MAP, EMPTY_MAP, EMPTY_MAP, 1],
    ["xds/listener_direction", 0n, 0n, 0n, 0n, 1],
    ["xds/listener_metadata", '""', '""', '""', '""', 1],
    ["xds/route_name", '"rt"', '"rt"', '"rt"', '"rt"', 1],
    ["xds/virtual_host_name", '"vh"', '"vh"', '"vh"', '"vh"', 1],
    ["xds/upstream_host_metadata", 1, 3, 3, 3, 1],
    ["xds/filter_chain_name", '""', '""', '""', '""', 1],
    ["xds/nope", 1, 1, 1, 1, 1],
    ["nope", 1, 1, 1, 1, 1],
    ["node", 1, 1, 1, 1, 1],
    ["cluster_name", 1, 1, 1, 1, 1],
    ["route_name", 1, 1, 1, 1, 1],
    ["listener_direction", 1, 1, 1, 1, 1],
    ["", 3, 3, 3, 3, 3],
    ["/x", 1, 1, 1, 1, 1],
    ["request//path", 1, 1, 1, 1, 1],
    ["request/path/", '"/a/b?q=1&r#f"', 1, 1, '"/a/b?q=1&r#f"', 1],
    ["request/path//", 1, 1, 1, 1, 1],
    ["request/path/x", 1, 1, 1, 1, 1],
    ["request/constructor", 1, 1, 1, 1, 1],
    ["__proto__", 1, 1, 1, 1, 1],
  ])("%s", (path, ...expected) => {
    expect(row(path)).toEqual(expected);
  });

  it("request/headers joins values and is an empty map where there are none", () => {
    const value = readProperty(source({ stream: stream(), requestHeaders: request }), "request\0headers");
    if (typeof value === "number") throw new Error(`status ${value}`);
    expect(latin1(value)).toContain("x-multi\x001,2\0");
    expect(value[0]).toBe(8);
    expect(read(source({ stream: stream() }), "request/headers")).toBe(EMPTY_MAP);
  });
});

describe("properties of other streams", () => {
  it("the size is what content-length says, and nothing when that is no number", () => {
    const size = (length: string): unknown => {
      const requestHeaders = new HeaderMap("request", [["content-length", length]]);
      return read(source({ stream: stream(), requestHeaders }), "request/size");
    };
    expect([size("12"), size("x"), size("")]).toEqual([12n, 1, 1]);
  });

  it("an empty path has an empty url_path and query", () => {
    const from = source({ stream: stream(), requestHeaders: new HeaderMap("request") });
    expect(["path", "url_path", "query"].map((name) => read(from, `request/${name}`))).toEqual([1, '""', '""']);
  });

  it("the gRPC status comes from trailers, headers, or the HTTP status, row 39", () => {
    const status = (given: Partial<PropertySource>, code?: number): unknown =>
      read(source({ stream: stream({ responseCode: code }), ...given }), "response/grpc_status");
    const responseTrailers = new HeaderMap("trailers", [["grpc-status", "5"]]);
    const responseHeaders = new HeaderMap("response", [["grpc-status", "7"]]);
    expect(status({ responseTrailers, responseHeaders }, 200)).toBe(5n);
    expect(status({ responseHeaders }, 200)).toBe(7n);
    expect([400, 401, 403, 404, 429, 502, 503, 504, 200, 500].map((code) => status({}, code))).toEqual([
      13n,
      16n,
      7n,
      12n,
      14n,
      14n,
      14n,
      14n,
      2n,
      2n,
    ]);
    expect(status({ responseTrailers: new HeaderMap("trailers", [["grpc-status", "x"]]) }, 200)).toBe(-1n);
  });

  it("TLS shows what there is, and no names where the certificate has none", () => {
    const tls = { mtls: true, tlsVersion: "TLSv1.3", requestedServerName: "a.example", dnsSanPeerCertificate: "b" };
    const from = source({ stream: stream({ tls, terminationDetails: "x", transportFailureReason: "y" }) });
    const names = [
      "mtls",
      "tls_version",
      "requested_server_name",
      "dns_san_peer_certificate",
      "uri_san_peer_certificate",
    ];
    const more = ["subject_peer_certificate", "termination_details", "transport_failure_reason"];
    expect([...names, ...more].map((name) => read(from, `connection/${name}`))).toEqual([
      "1",
      '"TLSv1.3"',
      '"a.example"',
      '"b"',
      1,
      '""',
      '"x"',
      '"y"',
    ]);
  });

  it("without a route there is no name of one", () => {
    const from = source({ stream: stream({ routeName: "", virtualHostName: "", clusterName: "" }) });
    const names = ["route_name", "route_metadata", "virtual_host_name", "cluster_name", "cluster_metadata"];
    expect(names.map((name) => read(from, `xds/${name}`))).toEqual([1, 1, 1, 1, 1]);
    expect(read(from, "upstream/num_endpoints")).toBe(1);
    expect(read(source({ stream: stream({ routeName: "" }) }), "xds/route_name")).toBe('""');
  });
});

describe("properties from outside", () => {
  const overrides = new Map<string, PropertyValue>([
    ["request.path", { type: "string", value: "/given/ü" }],
    ["source.region", { type: "string", value: "eu" }],
    ["metadata.filter_metadata.envoy.lb.canary", { type: "bool", value: true }],
    ["metadata.filter_metadata.envoy.lb.weight", { type: "double", value: 1.5 }],
    [
      "xds.node.metadata",
      { type: "map", value: new Map<string, PropertyValue>([["A", { type: "string", value: "b" }]]) },
    ],
    [
      "list",
      {
        type: "list",
        value: [
          { type: "string", value: "x" },
          { type: "int", value: -1n },
        ],
      },
    ],
    ["when", { type: "time", value: 5n }],
    ["raw", { type: "bytes", value: Uint8Array.of(0, 255) }],
    ["big", { type: "uint", value: 2n ** 64n - 1n }],
  ]);
  const from = source({ stream: stream({ overrides }), requestHeaders: request });

  it("win, at any depth, whatever dots their names have", () => {
    expect(read(from, "request/path")).toContain("2f 67");
    expect(read(from, "request/method")).toBe('"POST"');
    expect(read(from, "source/region")).toBe('"eu"');
    expect(read(from, "source/port")).toBe(34_648n);
    expect(read(from, "metadata/filter_metadata/envoy.lb/canary")).toBe("1");
    expect(read(from, "xds/node/metadata/A")).toBe('"b"');
    expect(read(from, "xds/node/metadata/B")).toBe(1);
    expect(read(from, "xds/node/id")).toBe('""');
    expect([read(from, "when"), read(from, "big"), read(from, "raw")]).toEqual([5n, -1n, "0 ff"]);
  });

  it("become maps above them, and lists have numbers", () => {
    const value = readProperty(from, "metadata\0filter_metadata\0envoy.lb");
    if (typeof value === "number") throw new Error(`status ${value}`);
    expect(latin1(value)).toContain("canary\0\x01\0weight\0");
    expect([read(from, "list/0"), read(from, "list/1"), read(from, "list/2"), read(from, "list/x")]).toEqual([
      '"x"',
      -1n,
      1,
      1,
    ]);
    const list = readProperty(from, "list");
    if (typeof list === "number") throw new Error(`status ${list}`);
    expect(list.slice(0, 20)).toEqual(Uint8Array.of(2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0));
  });
});
