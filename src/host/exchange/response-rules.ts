import type { HeaderMap } from "../header-map.ts";

/**
 * Makes of response headers what Envoy's connection manager sends: `date` where there is none, `server: envoy`, no headers
 * between two hops.
 *
 * @param now nanoseconds since 1970
 */
export function finishResponse(headers: HeaderMap, now: bigint): void {
  if (!headers.has("date")) headers.add("date", httpDate(now));
  headers.put("server", "envoy");
  headers.removeAll(HOP_BY_HOP);
}

/** A time as HTTP writes it: `Sat, 21 Nov 2026 17:46:43 GMT`. */
function httpDate(now: bigint): string {
  return new Date(Number(now / 1_000_000n)).toUTCString();
}

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);
