import { textOf } from "./byte-string.ts";
import {
  addressProperty,
  connectionProperty,
  METADATA,
  upstreamProperty,
  xdsProperty,
} from "./properties-connection.ts";
import { filterStateNode } from "./properties-filter-state.ts";
import { requestProperty, responseProperty } from "./properties-request.ts";
import { encodeProperty, partOf, type PropertyNode, type PropertySource, stringNode } from "./properties-values.ts";
import { Status } from "./status.ts";
import type { PropertyValue, StreamInfo } from "./stream-info.ts";

/**
 * Reads a property by its path (`proxy_get_property`): segments separated by NUL, a string of bytes. Its bytes in Envoy's
 * encoding, or the status: Not found, or Serialization failure for what has parts but no value of its own.
 */
export function readProperty(source: PropertySource, path: string): Uint8Array | Exclude<Status, 0> {
  if (path === "") return Status.serializationFailure;
  const segments = path.split("\0");
  if (segments.at(-1) === "") segments.pop();
  const given = overridden(source.stream, segments);
  const node = given ?? (source.onlyGiven === true && source.stream !== undefined ? undefined : walk(source, segments));
  if (node === undefined) return Status.notFound;
  return encodeProperty(node) ?? Status.serializationFailure;
}

function walk(source: PropertySource, segments: readonly string[]): PropertyNode | undefined {
  const [first = "", ...rest] = segments;
  let node = topLevel(source, first);
  for (const name of rest) node = node === undefined ? undefined : partOf(node, name);
  return node;
}

function topLevel(source: PropertySource, name: string): PropertyNode | undefined {
  const { stream, plugin } = source;
  if (name === "xds") return { type: "family", part: (part) => xds(part, stream) };
  if (name === "plugin_name") return stringNode(plugin.name);
  if (name === "plugin_root_id") return stringNode(plugin.rootId);
  if (name === "plugin_vm_id") return stringNode(plugin.vm.vmId);
  if (stream === undefined) return undefined;
  return FAMILIES.get(name)?.(stream, source) ?? setByFilter(stream, name);
}

const FAMILIES: ReadonlyMap<string, (info: StreamInfo, source: PropertySource) => PropertyNode | undefined> = new Map<
  string,
  (info: StreamInfo, source: PropertySource) => PropertyNode | undefined
>([
  ["request", (info, source) => family((name) => requestProperty(name, info, source))],
  ["response", (info, source) => family((name) => responseProperty(name, info, source))],
  ["connection", (info) => family((name) => connectionProperty(name, info))],
  ["upstream", (info) => family((name) => upstreamProperty(name, info))],
  ["source", (info) => family((name) => addressProperty(name, info.source))],
  ["destination", (info) => family((name) => addressProperty(name, info.destination))],
  ["metadata", () => METADATA],
  ["filter_state", (info) => family((name) => filterState(info, name))],
  ["upstream_filter_state", (info) => (info.upstream === undefined ? undefined : family(() => undefined))],
  ["connection_id", (info) => ({ type: "uint", value: info.connectionId })],
]);

function family(part: (name: string) => PropertyNode | undefined): PropertyNode {
  return { type: "family", part };
}

function filterState(info: StreamInfo, key: string): PropertyNode | undefined {
  const value = info.filterState.get(key);
  return value === undefined ? undefined : filterStateNode(key, value);
}

/** What `proxy_set_property` stored, by the name it was given. */
function setByFilter(info: StreamInfo, name: string): PropertyNode | undefined {
  return filterState(info, `${FILTER_PREFIX}${name}`);
}

/** Filter state that filters set has this before its name. */
export const FILTER_PREFIX = "wasm.";

/** The node is of the proxy, so root contexts have it too; ours has a name for the program and nothing else. */
function xds(name: string, stream: StreamInfo | undefined): PropertyNode | undefined {
  if (name === "node") return NODE;
  return stream === undefined ? undefined : xdsProperty(name, stream);
}

const NODE: PropertyNode = {
  type: "message",
  part: (name) => {
    if (name === "id" || name === "cluster") return stringNode("");
    if (name === "user_agent_name") return stringNode("envoy");
    if (name === "metadata") return { type: "map", value: new Map() };
    return name === "locality" ? { type: "message", part: () => undefined } : undefined;
  },
};

/** What was given from outside for the path, for something above it, or, of something without a value, below it. */
function overridden(stream: StreamInfo | undefined, segments: readonly string[]): PropertyNode | undefined {
  const overrides = stream?.overrides;
  if (overrides === undefined || overrides.size === 0) return undefined;
  for (let count = segments.length; count > 0; count -= 1) {
    let node: PropertyNode | undefined = overrides.get(textOf(segments.slice(0, count).join(".")));
    if (node === undefined) continue;
    for (const name of segments.slice(count)) node = node === undefined ? undefined : partOf(node, textOf(name));
    return node;
  }
  return below(overrides, textOf(segments.join(".")));
}

/** Metadata that was given value by value, as a map. */
function below(overrides: ReadonlyMap<string, PropertyValue>, path: string): PropertyNode | undefined {
  if (!/\bmetadata\b/u.test(path)) return undefined;
  const start = `${path}.`;
  const inside = Array.from(overrides).filter(([name]) => name.startsWith(start));
  if (inside.length === 0) return undefined;
  return { type: "map", value: new Map(inside.map(([name, value]) => [name.slice(start.length), value])) };
}
