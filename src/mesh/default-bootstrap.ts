import type { Json, JsonObject } from "../domain/json.ts";
import { compact } from "./kubernetes-object.ts";
import { CONNECTION_MANAGER, ROUTER } from "./wasm-http-filter.ts";

/** An address Envoy listens on. */
export interface SocketAddress {
  readonly address: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** How the built-in bootstrap looks. */
export interface BootstrapSettings {
  readonly listen: SocketAddress;
  readonly admin: SocketAddress;
  /** `http:` or `https:` URL that requests go to, its path put before theirs; without it Envoy answers by itself. */
  readonly upstream?: URL | undefined;
  /** File of CA certificates that verifies an `https:` upstream; without it any certificate is taken. */
  readonly caFile?: string | undefined;
  /** Connects there instead of to the URL's host, which stays the name for TLS and the `host` header. */
  readonly connectTo?: string | undefined;
}

export const DEFAULT_LISTEN: SocketAddress = { address: "127.0.0.1", port: 8080 };
export const DEFAULT_ADMIN: SocketAddress = { address: "127.0.0.1", port: 19_000 };

/** Name of the listener in the built-in bootstrap. */
export const LISTENER_NAME = "wasme";

const CLUSTER = "upstream";
const TYPES = "type.googleapis.com/envoy.extensions";

/** An Envoy v3 bootstrap with one HTTP listener and no filter but the router. */
export function buildDefaultBootstrap(settings: BootstrapSettings): JsonObject {
  const { upstream } = settings;
  return {
    admin: { address: socketAddress(settings.admin) },
    static_resources: compact({
      listeners: [
        {
          name: LISTENER_NAME,
          address: socketAddress(settings.listen),
          filter_chains: [{ filters: [connectionManager(upstream)] }],
        },
      ],
      clusters: upstream === undefined ? undefined : [cluster(upstream, settings)],
    }),
  };
}

function connectionManager(upstream: URL | undefined): JsonObject {
  const route = { match: { prefix: "/" }, ...(upstream === undefined ? OWN_ANSWER : forward(upstream)) };
  return {
    name: CONNECTION_MANAGER,
    typed_config: {
      "@type": `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: LISTENER_NAME,
      route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes: [route] }] },
      http_filters: [{ name: ROUTER, typed_config: { "@type": `${TYPES}.filters.http.router.v3.Router` } }],
    },
  };
}

const OWN_ANSWER: JsonObject = { direct_response: { status: 200, body: { inline_string: "ok\n" } } };

function forward(upstream: URL): JsonObject {
  const base = upstream.pathname.replace(/\/*$/u, "/");
  return {
    route: compact({
      cluster: CLUSTER,
      host_rewrite_literal: upstream.host,
      prefix_rewrite: base === "/" ? undefined : base,
    }),
  };
}

function cluster(upstream: URL, { caFile, connectTo }: BootstrapSettings): JsonObject {
  const tls = upstream.protocol === "https:";
  const host = upstream.hostname.replaceAll(/^\[|\]$/gu, "");
  const port = upstream.port === "" ? (tls ? 443 : 80) : Number(upstream.port);
  const address = connectTo ?? host;
  const endpoint = { endpoint: { address: socketAddress({ address, port }) } };
  return compact({
    name: CLUSTER,
    type: isAddress(address) ? "STATIC" : "LOGICAL_DNS",
    connect_timeout: "5s",
    // Both families, the first that answers: "localhost" is often one of them only.
    dns_lookup_family: isAddress(address) ? undefined : "ALL",
    load_assignment: { cluster_name: CLUSTER, endpoints: [{ lb_endpoints: [endpoint] }] },
    transport_socket: tls ? transportSocket(host, caFile) : undefined,
  });
}

function transportSocket(host: string, caFile: string | undefined): JsonObject {
  const verification: Json | undefined =
    caFile === undefined
      ? undefined
      : {
          trusted_ca: { filename: caFile },
          match_typed_subject_alt_names: [
            { san_type: isAddress(host) ? "IP_ADDRESS" : "DNS", matcher: { exact: host } },
          ],
        };
  return {
    name: "envoy.transport_sockets.tls",
    typed_config: compact({
      "@type": `${TYPES}.transport_sockets.tls.v3.UpstreamTlsContext`,
      sni: isAddress(host) ? undefined : host,
      common_tls_context: verification === undefined ? undefined : { validation_context: verification },
    }),
  };
}

function isAddress(host: string): boolean {
  return /^[\d.]+$/u.test(host) || host.includes(":");
}

function socketAddress({ address, port }: SocketAddress): JsonObject {
  return { socket_address: { address, port_value: port } };
}
