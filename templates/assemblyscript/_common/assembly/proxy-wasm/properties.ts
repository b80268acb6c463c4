import { proxy_get_property, proxy_set_property } from "./host";
import { OUT, clearOut, decodeText, nameOut, outSize, takeBytes, valueOut } from "./memory";
import { ok } from "./status";

/**
 * The proxy's attributes: `request.path`, `source.address`, `response.code`, `connection.mtls`, `xds.cluster_name`, ….
 * Segments are separated by a dot. When a segment itself contains a dot, separate by NUL instead:
 * `"metadata\0filter_metadata\0envoy.lb\0stage"`.
 */

/** A property's bytes in the proxy's encoding; `null` if it is unknown or not set yet. */
export function getProperty(path: string): ArrayBuffer | null {
  setPath(path);
  clearOut();
  if (!ok(proxy_get_property(nameOut.address, nameOut.size, OUT, outSize()))) return null;
  return takeBytes();
}

/** A text property such as `request.path`; `null` if it is unknown or not set yet. */
export function getTextProperty(path: string): string | null {
  const bytes = getProperty(path);
  return bytes ? decodeText(bytes) : null;
}

/** A number such as `response.code`, or a time in nanoseconds such as `request.duration`. */
export function getNumberProperty(path: string, fallback: i64 = -1): i64 {
  const bytes = getProperty(path);
  if (!bytes || bytes.byteLength != 8) return fallback;
  return load<i64>(changetype<usize>(bytes));
}

/** A yes-or-no property such as `connection.mtls`; `false` if it is unknown. */
export function getBoolProperty(path: string): bool {
  const bytes = getProperty(path);
  return bytes != null && bytes.byteLength == 1 && load<u8>(changetype<usize>(bytes)) != 0;
}

/**
 * Stores a value, a `string` or an `ArrayBuffer`, with the stream: this filter and later ones read it with the `get…`
 * functions. The name is one segment: Envoy takes a name with a dot and then cannot find it again.
 */
export function setProperty<T>(name: string, value: T): bool {
  nameOut.setText(name);
  valueOut.set<T>(value);
  return ok(proxy_set_property(nameOut.address, nameOut.size, valueOut.address, valueOut.size));
}

function setPath(path: string): void {
  nameOut.setText(path);
  if (path.includes("\0")) return;
  const end = nameOut.address + nameOut.size;
  for (let at = nameOut.address; at < end; at++) {
    if (load<u8>(at) == 46) store<u8>(at, 0);
  }
}
