import { isObject } from "./json.ts";

/**
 * The plugin config that a value of a FilterDeployment means: a string verbatim; an object as JSON; the old tool's
 * protobuf `Any` as JSON (`@type`, `value`), of the types whose text a proxy hands to the module. `undefined` for none.
 * What cannot be one is told to `refuse`.
 */
export function pluginConfigOf(value: unknown, refuse: (message: string) => void): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "string") return value;
  if (isObject(value)) return "@type" in value ? anyText(value, refuse) : JSON.stringify(value);
  refuse("must be a string or an object: write other JSON as a string");
  return undefined;
}

function anyText(any: Readonly<Record<string, unknown>>, refuse: (message: string) => void): string | undefined {
  const { "@type": url, value } = any;
  const type = typeof url === "string" ? url.slice(url.lastIndexOf("/") + 1) : "";
  const read = TYPES.get(type);
  if (read === undefined) {
    refuse("has an @type that no proxy hands to a module as text: write a string, or an object without @type");
    return undefined;
  }
  if (value === undefined || value === null) return undefined;
  const text = read(value);
  if (text === undefined) refuse(`has @type ${type}, and its value is not of that type`);
  return text === "" ? undefined : text;
}

/** What Envoy unwraps; of everything else the module would see protobuf's binary form. */
const TYPES: ReadonlyMap<string, (value: unknown) => string | undefined> = new Map([
  ["google.protobuf.StringValue", (value: unknown) => (typeof value === "string" ? value : undefined)],
  ["google.protobuf.BytesValue", (value: unknown) => (typeof value === "string" ? utf8(value) : undefined)],
  ["google.protobuf.Struct", (value: unknown) => (isObject(value) ? JSON.stringify(value) : undefined)],
]);

/** A config is text here: bytes that are none would reach the module changed. */
function utf8(base64: string): string | undefined {
  try {
    const bytes = Uint8Array.from(atob(base64.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
