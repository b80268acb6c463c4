import { filtersOf, type NamedFilter, type Scenario, type UpstreamSpec, vmIdOf } from "../scenario.ts";

/** Ports of what a scenario's listener needs. */
export interface ScenarioPorts {
  readonly upstream: number;
}

/** Local ports of the clusters all scenarios share. */
export interface SharedPorts {
  readonly callout: number;
  readonly refused: number;
}

const type = (name: string): string => `type.googleapis.com/${name}`;
const text = (value: string): object => ({ "@type": type("google.protobuf.StringValue"), value });

/** One Envoy for several scenarios: a listener for each, a cluster for each, and the clusters filters call. */
export function bootstrapOf(scenarios: readonly (readonly [Scenario, ScenarioPorts])[], shared: SharedPorts): object {
  return {
    node: { id: "test-node", cluster: "test-cluster" },
    static_resources: {
      listeners: scenarios.map(([scenario]) => listener(scenario)),
      clusters: [
        ...scenarios.map(([scenario, ports]) => cluster(scenario.name, ports.upstream, isHttp2(scenario.upstream))),
        cluster("callout", shared.callout, true),
        cluster("grpc", shared.callout, true),
        cluster("refused", shared.refused, false),
        { name: "unserved", type: "STATIC", load_assignment: { cluster_name: "unserved" } },
      ],
    },
  };
}

/** A filter's place in a listener, and its `PluginConfig`. */
export interface PlacedFilter {
  readonly name: string;
  readonly config: object;
}

function isHttp2(upstream: UpstreamSpec | "direct" | undefined): boolean {
  return upstream !== undefined && upstream !== "direct" && upstream.protocol === "http2";
}

function listener(scenario: Scenario): object {
  const filters = filtersOf(scenario).map((filter) => ({
    name: filter.name,
    config: pluginOf(vmIdOf(scenario, filter), filter),
  }));
  if (scenario.tcp !== undefined) return tcpListener(scenario.name, filters);
  const direct = { direct_response: { status: 200, body: { inline_string: "direct" } } };
  return httpListener(scenario.name, filters, scenario.upstream === "direct" ? { action: direct } : {});
}

/** What a listener may have beside its filters. */
export interface ListenerExtras {
  /** Of the one route; default: on to the cluster with the listener's name. */
  readonly action?: object;
  /** Format of a line that is written to Envoy's output when a stream is over. */
  readonly accessLog?: string;
}

/** A listener on a free port, its filters by HTTP in front of the cluster of the same name. */
export function httpListener(name: string, wasm: readonly PlacedFilter[], extras: ListenerExtras = {}): object {
  const { action = { route: { cluster: name } }, accessLog } = extras;
  const router = { name: "router", typed_config: { "@type": type("envoy.extensions.filters.http.router.v3.Router") } };
  const manager = {
    "@type": type("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
    stat_prefix: name,
    // Otherwise a connection that is to be closed stays open for a second.
    delayed_close_timeout: "0s",
    http_filters: [...wasmFilters(wasm, "http"), router],
    route_config: {
      name: "routes",
      virtual_hosts: [
        { name: "hosts", domains: ["*"], routes: [{ name: "route", match: { prefix: "/" }, ...action }] },
      ],
    },
    ...(accessLog === undefined ? {} : { access_log: [toOutput(accessLog)] }),
  };
  return listenerOf(name, [{ name: "http", typed_config: manager }]);
}

function toOutput(format: string): object {
  const typed_config = {
    "@type": type("envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"),
    log_format: { text_format_source: { inline_string: `${format}\n` } },
  };
  return { name: "stdout", typed_config };
}

/**
 * A listener on a free port, its filters on the bytes between the client and the cluster of the same name. With
 * `proxyProtocol` the client says first whose connection it is.
 */
export function tcpListener(
  name: string,
  wasm: readonly PlacedFilter[],
  { proxyProtocol = false }: { readonly proxyProtocol?: boolean } = {},
): object {
  const proxy = {
    "@type": type("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"),
    stat_prefix: name,
    cluster: name,
  };
  const plain = listenerOf(name, [...wasmFilters(wasm, "network"), { name: "tcp", typed_config: proxy }]);
  if (!proxyProtocol) return plain;
  const typed_config = { "@type": type("envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol") };
  return { ...plain, listener_filters: [{ name: "proxy_protocol", typed_config }] };
}

function listenerOf(name: string, filters: readonly object[]): object {
  const address = { socket_address: { address: "127.0.0.1", port_value: 0 } };
  return { name, address, filter_chains: [{ filters }] };
}

function wasmFilters(filters: readonly PlacedFilter[], kind: "http" | "network"): object[] {
  return filters.map(({ name, config }) => ({
    name,
    typed_config: { "@type": type(`envoy.extensions.filters.${kind}.wasm.v3.Wasm`), config },
  }));
}

/** `PluginConfig` of a filter whose module is a file beside the bootstrap, named without its `.wasm`. */
export function pluginOf(vmId: string, filter: Omit<NamedFilter, "module"> & { readonly module: string }): object {
  const { environment, allowedCapabilities, failurePolicy, vmConfiguration } = filter;
  const capabilities = allowedCapabilities?.map((name) => [name, {}] as const);
  return {
    name: filter.name,
    root_id: filter.rootId,
    ...(filter.script === "" ? {} : { configuration: text(filter.script) }),
    ...(failurePolicy === undefined ? {} : { failure_policy: `FAIL_${failurePolicy.toUpperCase()}` }),
    ...(filter.allowOnHeadersStopIteration === true ? { allow_on_headers_stop_iteration: true } : {}),
    ...(capabilities === undefined
      ? {}
      : { capability_restriction_config: { allowed_capabilities: Object.fromEntries(capabilities) } }),
    vm_config: {
      vm_id: vmId,
      runtime: "envoy.wasm.runtime.v8",
      code: { local: { filename: `${filter.module}.wasm` } },
      ...(vmConfiguration === undefined ? {} : { configuration: text(vmConfiguration) }),
      ...(environment === undefined ? {} : { environment_variables: { key_values: environment } }),
    },
  };
}

/** A cluster of one endpoint on this machine. */
export function cluster(name: string, port: number, http2: boolean): object {
  const endpoint = { address: { socket_address: { address: "127.0.0.1", port_value: port } } };
  const protocols = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
      "@type": type("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
      explicit_http_config: http2 ? { http2_protocol_options: {} } : { http_protocol_options: {} },
    },
  };
  return {
    name,
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
    typed_extension_protocol_options: protocols,
  };
}
