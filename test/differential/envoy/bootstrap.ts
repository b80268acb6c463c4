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

function isHttp2(upstream: UpstreamSpec | "direct" | undefined): boolean {
  return upstream !== undefined && upstream !== "direct" && upstream.protocol === "http2";
}

function listener(scenario: Scenario): object {
  return {
    name: scenario.name,
    address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
    filter_chains: [{ filters: scenario.tcp === undefined ? httpFilters(scenario) : tcpFilters(scenario) }],
  };
}

function httpFilters(scenario: Scenario): object[] {
  const router = { name: "router", typed_config: { "@type": type("envoy.extensions.filters.http.router.v3.Router") } };
  const action =
    scenario.upstream === "direct"
      ? { direct_response: { status: 200, body: { inline_string: "direct" } } }
      : { route: { cluster: scenario.name } };
  const manager = {
    "@type": type("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
    stat_prefix: scenario.name,
    // Otherwise a connection that is to be closed stays open for a second.
    delayed_close_timeout: "0s",
    http_filters: [...wasmFilters(scenario, "http"), router],
    route_config: {
      name: "routes",
      virtual_hosts: [
        { name: "hosts", domains: ["*"], routes: [{ name: "route", match: { prefix: "/" }, ...action }] },
      ],
    },
  };
  return [{ name: "http", typed_config: manager }];
}

function tcpFilters(scenario: Scenario): object[] {
  const proxy = {
    "@type": type("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"),
    stat_prefix: scenario.name,
    cluster: scenario.name,
  };
  return [...wasmFilters(scenario, "network"), { name: "tcp", typed_config: proxy }];
}

function wasmFilters(scenario: Scenario, kind: "http" | "network"): object[] {
  return filtersOf(scenario).map((filter) => ({
    name: filter.name,
    typed_config: {
      "@type": type(`envoy.extensions.filters.${kind}.wasm.v3.Wasm`),
      config: pluginOf(vmIdOf(scenario, filter), filter),
    },
  }));
}

/** `PluginConfig` of a filter. */
function pluginOf(vmId: string, filter: NamedFilter): object {
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

function cluster(name: string, port: number, http2: boolean): object {
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
