/** One Wasm filter of a listener. */
interface WasmFilter {
  /** Module file in Envoy's working directory. */
  readonly file: string;
  readonly rootId: string;
  readonly configuration?: string;
}

/** A listener with its filters; without an upstream it answers "ok" itself. */
export interface Listener {
  readonly name: string;
  readonly filters: readonly WasmFilter[];
  readonly upstream?: string;
}

const type = (name: string): string => `type.googleapis.com/${name}`;

/** An Envoy bootstrap: HTTP listeners on free ports, clusters by name with their local port. */
export function bootstrap(listeners: readonly Listener[], clusters: Readonly<Record<string, number>>): object {
  return {
    static_resources: {
      listeners: listeners.map((listener) => httpListener(listener)),
      clusters: Object.entries(clusters).map(([name, port]) => cluster(name, port)),
    },
  };
}

function httpListener({ name, filters, upstream }: Listener): object {
  const answer =
    upstream === undefined
      ? { direct_response: { status: 200, body: { inline_string: "ok\n" } } }
      : { route: { cluster: upstream } };
  const router = {
    name: "envoy.filters.http.router",
    typed_config: { "@type": type("envoy.extensions.filters.http.router.v3.Router") },
  };
  const manager = {
    "@type": type("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
    stat_prefix: name,
    http_filters: [...filters.map((filter) => wasmFilter(filter)), router],
    route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, ...answer }] }] },
  };
  return {
    name,
    address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
    filter_chains: [{ filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }] }],
  };
}

/** Filters of one file share a VM, as they do wherever VM id, VM configuration and code are equal. */
function wasmFilter({ file, rootId, configuration }: WasmFilter): object {
  const value =
    configuration === undefined
      ? {}
      : { configuration: { "@type": type("google.protobuf.StringValue"), value: configuration } };
  const name = rootId === "" ? "nameless" : rootId;
  return {
    name,
    typed_config: {
      "@type": type("envoy.extensions.filters.http.wasm.v3.Wasm"),
      config: {
        name,
        root_id: rootId,
        ...value,
        vm_config: { vm_id: file, runtime: "envoy.wasm.runtime.v8", code: { local: { filename: file } } },
      },
    },
  };
}

function cluster(name: string, port: number): object {
  const endpoint = { address: { socket_address: { address: "127.0.0.1", port_value: port } } };
  return {
    name,
    type: "STATIC",
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
  };
}
