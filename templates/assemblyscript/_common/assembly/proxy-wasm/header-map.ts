import {
  proxy_add_header_map_value,
  proxy_get_header_map_pairs,
  proxy_get_header_map_size,
  proxy_get_header_map_value,
  proxy_remove_header_map_value,
  proxy_replace_header_map_value,
  proxy_set_header_map_pairs,
} from "./host";
import { OUT, clearOut, nameOut, outNumber, outSize, takeBytes, takeText, valueOut } from "./memory";
import { decodePairs, encodePairs } from "./pairs";
import { ok } from "./status";

/**
 * Headers or trailers of the current stream, or of a callout's answer.
 *
 * Names are case-insensitive; the proxy keeps them in lower case. The pseudo headers `:method`, `:path`, `:authority`,
 * `:scheme` and `:status` are headers like any other. A map exists only in its own phase: **request headers are gone
 * once the request went on**, so save in `onRequestHeaders` what `onResponseHeaders` needs. Methods that return `false`
 * or `null` in such a case leave the reason in `lastStatus()`.
 */
// @ts-ignore: decorator
@final
export class HeaderMap {
  constructor(private type: i32) {}

  /** The value of a header, the first one if there are several; `null` if there is none. */
  get(name: string): string | null {
    nameOut.setText(name);
    clearOut();
    if (!ok(proxy_get_header_map_value(this.type, nameOut.address, nameOut.size, OUT, outSize()))) return null;
    return takeText();
  }

  /** The same as bytes, for values that are not UTF-8. */
  getBytes(name: string): ArrayBuffer | null {
    nameOut.setText(name);
    clearOut();
    if (!ok(proxy_get_header_map_value(this.type, nameOut.address, nameOut.size, OUT, outSize()))) return null;
    return takeBytes();
  }

  /** Whether the header is there, be it empty. */
  has(name: string): bool {
    return this.getBytes(name) != null;
  }

  /** Adds a value and keeps those already there. (Envoy joins some standard headers with a comma instead.) */
  add(name: string, value: string): bool {
    nameOut.setText(name);
    valueOut.setText(value);
    return ok(
      proxy_add_header_map_value(this.type, nameOut.address, nameOut.size, valueOut.address, valueOut.size),
    );
  }

  /** Makes this the only value of the header, whether it was there or not. */
  set(name: string, value: string): bool {
    nameOut.setText(name);
    valueOut.setText(value);
    return ok(
      proxy_replace_header_map_value(this.type, nameOut.address, nameOut.size, valueOut.address, valueOut.size),
    );
  }

  /** Changes the header only if it is there; `false` if it is not. */
  replace(name: string, value: string): bool {
    return this.has(name) && this.set(name, value);
  }

  /** Removes all values of a header. Removing what is not there is no error. */
  remove(name: string): bool {
    nameOut.setText(name);
    return ok(proxy_remove_header_map_value(this.type, nameOut.address, nameOut.size));
  }

  /** All headers in order, as `[["name", "value"], …]`; empty when the map does not exist in this phase. */
  pairs(): string[][] {
    clearOut();
    if (!ok(proxy_get_header_map_pairs(this.type, OUT, outSize()))) return [];
    return decodePairs(takeBytes());
  }

  /** Replaces the whole map. */
  setPairs(pairs: string[][]): bool {
    valueOut.setBytes(encodePairs(pairs));
    return ok(proxy_set_header_map_pairs(this.type, valueOut.address, valueOut.size));
  }

  /** Size of all names and values together, in bytes. */
  byteSize(): u32 {
    clearOut();
    return ok(proxy_get_header_map_size(this.type, OUT)) ? outNumber() : 0;
  }
}

export const requestHeaderMap: HeaderMap = new HeaderMap(0);
export const requestTrailerMap: HeaderMap = new HeaderMap(1);
export const responseHeaderMap: HeaderMap = new HeaderMap(2);
export const responseTrailerMap: HeaderMap = new HeaderMap(3);
export const httpCallHeaderMap: HeaderMap = new HeaderMap(6);
export const httpCallTrailerMap: HeaderMap = new HeaderMap(7);
