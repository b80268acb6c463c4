import { HeaderMap, lowerAscii } from "../../host/header-map.ts";
import type { FlatHeaders } from "./messages.ts";

/** The first value of a name in lower case. */
export function headerOf(headers: FlatHeaders, name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) if (headers[at] === name) return headers[at + 1];
  return undefined;
}

/** Headers of one connection only, which nobody hands on (RFC 9110, 7.6.1). */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** Flat headers, names in lower case, as a map. */
export function headerMap(kind: "request" | "response" | "trailers", flat: FlatHeaders): HeaderMap {
  const map = new HeaderMap(kind);
  for (let at = 0; at < flat.length; at += 2) map.add(flat[at] ?? "", flat[at + 1] ?? "");
  return map;
}

/** Raw headers of Node with names in lower case. */
export function lowerNames(raw: FlatHeaders): string[] {
  return raw.map((text, at) => (at % 2 === 0 ? lowerAscii(text) : text));
}
