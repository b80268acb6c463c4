import { intNode, type PropertyNode, stringNode } from "./properties-values.ts";
import type { Address, StreamInfo, TlsInfo } from "./stream-info.ts";

type Lookup = (info: StreamInfo) => PropertyNode | undefined;

/** `connection.*`, by name. */
export function connectionProperty(name: string, info: StreamInfo): PropertyNode | undefined {
  const lookup = CONNECTION.get(name);
  return lookup === undefined ? tlsProperty(name, info.tls) : lookup(info);
}

/** `upstream.*`, by name. Most of it is there once an upstream was chosen. */
export function upstreamProperty(name: string, info: StreamInfo): PropertyNode | undefined {
  const lookup = UPSTREAM.get(name);
  if (lookup !== undefined) return lookup(info);
  return info.upstream === undefined ? undefined : tlsProperty(name, info.upstream.tls);
}

/** `source.*` and `destination.*`. */
export function addressProperty(name: string, address: Address | undefined): PropertyNode | undefined {
  if (address === undefined) return undefined;
  return name === "address" ? stringNode(address.address) : name === "port" ? intNode(address.port) : undefined;
}

/** `xds.*` of a stream, by name. */
export function xdsProperty(name: string, info: StreamInfo): PropertyNode | undefined {
  return XDS.get(name)?.(info);
}

/** A message with nothing in it but the two maps of metadata, which are empty. */
export const METADATA: PropertyNode = {
  type: "message",
  part: (name) => (METADATA_MAPS.has(name) ? { type: "map", value: new Map() } : undefined),
};

const METADATA_MAPS: ReadonlySet<string> = new Set(["filter_metadata", "typed_filter_metadata"]);

const CONNECTION: ReadonlyMap<string, Lookup> = new Map<string, Lookup>([
  ["id", ({ connectionId }) => ({ type: "uint", value: connectionId })],
  ["mtls", ({ tls }) => ({ type: "bool", value: tls.mtls ?? false })],
  ["requested_server_name", ({ tls }) => stringNode(tls.requestedServerName ?? "")],
  ["termination_details", ({ terminationDetails }) => given(terminationDetails)],
  ["transport_failure_reason", ({ transportFailureReason }) => nonEmpty(transportFailureReason)],
]);

const UPSTREAM: ReadonlyMap<string, Lookup> = new Map<string, Lookup>([
  ["address", ({ upstream }) => addressProperty("address", upstream?.address)],
  ["port", ({ upstream }) => addressProperty("port", upstream?.address)],
  ["local_address", ({ upstream }) => addressProperty("address", upstream?.localAddress)],
  ["locality", ({ upstream }) => (upstream === undefined ? undefined : LOCALITY)],
  ["transport_failure_reason", ({ upstream }) => upstream && stringNode(upstream.transportFailureReason ?? "")],
  ["cx_pool_ready_duration", ({ upstream }) => duration(upstream?.poolReadyDuration)],
  ["request_attempt_count", ({ attemptCount }) => ({ type: "uint", value: BigInt(attemptCount) })],
  ["num_endpoints", endpoints],
]);

const XDS: ReadonlyMap<string, Lookup> = new Map<string, Lookup>([
  ["cluster_name", ({ clusterName }) => nonEmpty(clusterName)],
  ["cluster_metadata", ({ clusterName }) => (clusterName === "" ? undefined : METADATA)],
  ["route_name", (info) => (hasRoute(info) ? stringNode(info.routeName) : undefined)],
  ["route_metadata", (info) => (hasRoute(info) ? METADATA : undefined)],
  ["virtual_host_name", ({ virtualHostName }) => nonEmpty(virtualHostName)],
  ["virtual_host_metadata", ({ virtualHostName }) => (virtualHostName === "" ? undefined : METADATA)],
  ["upstream_host_metadata", ({ upstream }) => (upstream === undefined ? undefined : { type: "null" })],
  ["upstream_host_locality_metadata", ({ upstream }) => (upstream === undefined ? undefined : { type: "null" })],
  ["filter_chain_name", ({ filterChainName }) => stringNode(filterChainName)],
  ["listener_metadata", () => METADATA],
  ["listener_direction", () => intNode(0)],
]);

/** Properties of TLS by name: the field, and whether an empty one counts as absent. */
const TLS: ReadonlyMap<string, readonly [keyof TlsInfo, boolean]> = new Map([
  ["tls_version", ["tlsVersion", false]],
  ["subject_local_certificate", ["subjectLocalCertificate", false]],
  ["subject_peer_certificate", ["subjectPeerCertificate", false]],
  ["dns_san_local_certificate", ["dnsSanLocalCertificate", true]],
  ["dns_san_peer_certificate", ["dnsSanPeerCertificate", true]],
  ["uri_san_local_certificate", ["uriSanLocalCertificate", true]],
  ["uri_san_peer_certificate", ["uriSanPeerCertificate", true]],
  ["sha256_peer_certificate_digest", ["sha256PeerCertificateDigest", true]],
]);

const LOCALITY: PropertyNode = {
  type: "message",
  part: (name) => (["region", "zone", "sub_zone"].includes(name) ? stringNode("") : undefined),
};

/** Without TLS, which a version stands for, there is none of it. */
function tlsProperty(name: string, tls: TlsInfo): PropertyNode | undefined {
  const known = TLS.get(name);
  if (known === undefined) return undefined;
  const [field, emptyIsAbsent] = known;
  const value = tls[field];
  if (typeof value === "string" && value !== "") return stringNode(value);
  return tls.tlsVersion === undefined || emptyIsAbsent ? undefined : stringNode("");
}

/** A cluster that is known has one endpoint unless more is said of it. */
function endpoints({ upstream, clusterName }: StreamInfo): PropertyNode | undefined {
  if (upstream === undefined && clusterName === "") return undefined;
  return { type: "uint", value: BigInt(upstream?.endpoints ?? 1) };
}

/** A route need not have a name; what it belongs to has. */
function hasRoute({ routeName, virtualHostName, clusterName }: StreamInfo): boolean {
  return routeName !== "" || virtualHostName !== "" || clusterName !== "";
}

function given(value: string | undefined): PropertyNode | undefined {
  return value === undefined ? undefined : stringNode(value);
}

function nonEmpty(value: string | undefined): PropertyNode | undefined {
  return value === undefined || value === "" ? undefined : stringNode(value);
}

function duration(value: bigint | undefined): PropertyNode | undefined {
  return value === undefined ? undefined : { type: "duration", value };
}
