import { latin1 } from "./guest-memory.ts";
import { intNode, type PropertyNode, stringNode } from "./properties-values.ts";
import type { FilterStateValue } from "./stream-info.ts";

/** What `filter_state` shows of an entry; `undefined` for an object that shows nothing. */
export function filterStateNode(key: string, value: FilterStateValue): PropertyNode | undefined {
  const kind = key.startsWith("wasm.") ? "text" : (OBJECTS.get(key) ?? "text");
  if (kind === "hidden") return undefined;
  return kind === "address" ? addressNode(latin1(value.bytes)) : { type: "bytes", value: value.bytes };
}

/**
 * The stored form of an object of Envoy's own (`set_envoy_filter_state`): `unknown` for a key that no object has,
 * `invalid` for text its object does not take.
 */
export function envoyFilterState(key: string, text: string): { readonly stored: string } | "unknown" | "invalid" {
  const kind = OBJECTS.get(key);
  if (kind === undefined) return "unknown";
  const stored = FORMS[kind](text);
  return stored === undefined ? "invalid" : { stored };
}

type Kind = "text" | "hidden" | "address" | "ip" | "port" | "number" | "boolean" | "true";

/** The keys Envoy has an object for, and which kind of text that takes. */
const OBJECTS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ["envoy.network.upstream_server_name", "text"],
  ["envoy.network.application_protocols", "hidden"],
  ["envoy.network.upstream_subject_alt_names", "text"],
  ["envoy.network.network_namespace", "text"],
  ["envoy.network.ip", "ip"],
  ["envoy.network.transport_socket.original_dst_address", "address"],
  ["envoy.filters.listener.original_dst.local_ip", "address"],
  ["envoy.filters.listener.original_dst.remote_ip", "address"],
  ["envoy.tcp_proxy.cluster", "text"],
  ["envoy.tcp_proxy.disable_tunneling", "true"],
  ["envoy.tcp_proxy.per_connection_idle_timeout_ms", "number"],
  ["envoy.udp_proxy.cluster", "text"],
  ["envoy.upstream.dynamic_host", "text"],
  ["envoy.upstream.dynamic_port", "port"],
  ["envoy.ratelimit.hits_addend", "number"],
  ["envoy.string", "text"],
  ["envoy.hashable_string", "text"],
  ["envoy.bool", "boolean"],
]);

const FORMS: Readonly<Record<Kind, (text: string) => string | undefined>> = {
  text: (text) => text,
  hidden: (text) => text,
  address: (text) => (addressParts(text) === undefined ? undefined : text),
  ip: (text) => (isIp(text) ? text : undefined),
  port: (text) => (/^\d+$/u.test(text) && Number(text) <= 65_535 ? text : undefined),
  number: (text) => (/^\d+$/u.test(text) ? text : undefined),
  boolean: (text) => (text === "true" || text === "false" ? text : undefined),
  true: (text) => (text === "true" ? "true" : "false"),
};

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/u;

function isIp(text: string): boolean {
  return IPV4.test(text) || isIpv6(text);
}

/** Eight groups, or fewer with one gap; the last two may be written as IPv4. */
function isIpv6(text: string): boolean {
  const sides = text.split("::");
  const groups = sides.flatMap((side) => (side === "" ? [] : side.split(":")));
  const last = groups.at(-1) ?? "";
  const isV4 = IPV4.test(last);
  const hex = isV4 ? groups.slice(0, -1) : groups;
  const count = hex.length + (isV4 ? 2 : 0);
  if (sides.length > 2 || (sides.length === 2 ? count > 7 : count !== 8)) return false;
  return hex.every((group) => /^[\da-f]{1,4}$/iu.test(group));
}

/** `1.2.3.4:5` or `[::1]:5`. */
function addressParts(text: string): { readonly ip: string; readonly port: number } | undefined {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[^:]+)):(?<port>\d+)$/u.exec(text)?.groups;
  const { v4 = "", v6 = "", port = "" } = match ?? {};
  if (match === undefined || !(IPV4.test(v4) || isIpv6(v6)) || Number(port) > 65_535) return undefined;
  return { ip: v4 === "" ? v6 : v4, port: Number(port) };
}

/** An object with fields: as a whole it is an empty map. */
function addressNode(text: string): PropertyNode {
  const parts = addressParts(text);
  if (parts === undefined) return { type: "map", value: new Map() };
  const { ip, port } = parts;
  const fields = new Map([
    ["ip", stringNode(ip)],
    ["port", intNode(port)],
  ]);
  return { type: "fields", part: (name) => fields.get(name) };
}
