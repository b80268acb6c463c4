import { utf8ByteString } from "./byte-string.ts";
import { latin1, latin1Bytes } from "./guest-memory.ts";
import { type HeaderMap, lowerAscii } from "./header-map.ts";
import { encodePairs } from "./pairs-codec.ts";
import type { PluginConfig } from "./plugin-config.ts";
import type { PropertyValue, StreamInfo } from "./stream-info.ts";

/** What properties are read from: the stream, and those of its maps that the context has at this moment. */
export interface PropertySource {
  /** `undefined` on a root context, which has few properties. */
  readonly stream: StreamInfo | undefined;
  readonly requestHeaders: HeaderMap | undefined;
  readonly responseHeaders: HeaderMap | undefined;
  readonly responseTrailers: HeaderMap | undefined;
  readonly plugin: PluginConfig;
  /** A stream has the properties given from outside and no others. */
  readonly onlyGiven?: boolean;
}

/** A place in the tree of properties. */
export type PropertyNode =
  | PropertyValue
  /** Something that has parts but no bytes of its own: `request`, `source`. */
  | { readonly type: "family"; readonly part: (name: string) => PropertyNode | undefined }
  /** A protobuf message without anything set; its parts may be. */
  | { readonly type: "message"; readonly part: (name: string) => PropertyNode | undefined }
  /** An object whose fields can be read, and which is an empty map as a whole. */
  | { readonly type: "fields"; readonly part: (name: string) => PropertyNode | undefined }
  /** Headers by name; several values of one are joined with commas. */
  | { readonly type: "headers"; readonly headers: HeaderMap | undefined }
  /** Known, and nothing. */
  | { readonly type: "null" };

/** The part of that name, `undefined` when there is none. */
export function partOf(node: PropertyNode, name: string): PropertyNode | undefined {
  if ("part" in node) return node.part(name);
  if (node.type === "headers") {
    const values = node.headers?.values(lowerAscii(name)) ?? [];
    return values.length === 0 ? undefined : bytesNode(values.join(","));
  }
  if (node.type === "map") return node.value.get(name);
  if (node.type === "list") return /^\s*[+-]?\d+\s*$/u.test(name) ? node.value[Number(name)] : undefined;
  return undefined;
}

/** The bytes a guest gets; `undefined` for what Envoy cannot serialise. */
export function encodeProperty(node: PropertyNode): Uint8Array | undefined {
  if (node.type === "family" || node.type === "null") return undefined;
  if (node.type === "message") return new Uint8Array(0);
  if (node.type === "fields") return encodePairs([]);
  if (node.type === "headers") return encodeHeaders(node.headers);
  if (node.type === "map") {
    return encodeMap(Array.from(node.value, ([name, value]) => [utf8ByteString(name), value]));
  }
  return node.type === "list" ? encodeMap(node.value.map((value) => [value, EMPTY])) : encodeScalar(node);
}

type Scalar = Exclude<PropertyValue, { readonly type: "map" | "list" }>;

function encodeScalar({ type, value }: Scalar): Uint8Array {
  if (type === "string") return new TextEncoder().encode(value);
  if (type === "bytes") return value;
  if (type === "double") return eightBytes((view) => view.setFloat64(0, value, true));
  if (type === "bool") return Uint8Array.of(value ? 1 : 0);
  return eightBytes((view) => view.setBigUint64(0, BigInt.asUintN(64, value), true));
}

/** A value of bytes, given as a string of bytes. */
export function bytesNode(byteText: string): PropertyNode {
  return { type: "bytes", value: latin1Bytes(byteText) };
}

/** A value of text. */
export function stringNode(value: string): PropertyNode {
  return { type: "string", value };
}

/** A signed number. */
export function intNode(value: number | bigint): PropertyNode {
  return { type: "int", value: BigInt(value) };
}

function encodeHeaders(headers: HeaderMap | undefined): Uint8Array {
  const joined = new Map<string, string>();
  for (const [name, value] of headers ?? []) {
    const before = joined.get(name);
    joined.set(name, before === undefined ? value : `${before},${value}`);
  }
  return encodePairs(Array.from(joined).flat());
}

/** Pairs of what is given; a list has its values for names. */
function encodeMap(entries: readonly (readonly [string | PropertyValue, PropertyValue])[]): Uint8Array | undefined {
  const flat: string[] = [];
  for (const entry of entries) {
    for (const side of entry) {
      const bytes = typeof side === "string" ? side : encodeProperty(side);
      if (bytes === undefined) return undefined;
      flat.push(typeof bytes === "string" ? bytes : latin1(bytes));
    }
  }
  return encodePairs(flat);
}

function eightBytes(write: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(8);
  write(new DataView(bytes.buffer));
  return bytes;
}

const EMPTY: PropertyValue = { type: "string", value: "" };
