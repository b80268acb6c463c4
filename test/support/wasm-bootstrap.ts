/** A bootstrap for the real Envoy with one Wasm HTTP filter; the module's file is relative to Envoy's working directory. */
export function wasmBootstrap(filename: string, configuration?: string): object {
  return {
    static_resources: {
      listeners: [
        {
          name: "main",
          address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
          filter_chains: [{ filters: [connectionManager(filename, configuration)] }],
        },
      ],
    },
  };
}

function connectionManager(filename: string, configuration: string | undefined): object {
  const vm = { runtime: "envoy.wasm.runtime.v8", code: { local: { filename } } };
  const config = { name: "filter", vm_config: vm, ...(configuration === undefined ? {} : stringValue(configuration)) };
  return {
    name: "envoy.filters.network.http_connection_manager",
    typed_config: {
      "@type": filterType("network.http_connection_manager.v3.HttpConnectionManager"),
      stat_prefix: "main",
      route_config: {},
      http_filters: [
        { name: "filter", typed_config: { "@type": filterType("http.wasm.v3.Wasm"), config } },
        { name: "envoy.filters.http.router", typed_config: { "@type": filterType("http.router.v3.Router") } },
      ],
    },
  };
}

function stringValue(value: string): object {
  return { configuration: { "@type": "type.googleapis.com/google.protobuf.StringValue", value } };
}

function filterType(name: string): string {
  return `type.googleapis.com/envoy.extensions.filters.${name}`;
}
