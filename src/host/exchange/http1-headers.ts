import { HeaderMap } from "../header-map.ts";

/**
 * The headers of an HTTP/1 request as Envoy's codec makes them: `host` becomes `:authority`, then `:path` and `:method`
 * follow; names in lower case.
 *
 * @param target the request target, origin form (`/path?query`) or absolute (`http://host/path`), which wins over `host`;
 *   of CONNECT the authority
 * @param raw names and values in turn, as bytes: Node's `rawHeaders`
 */
export function http1RequestHeaders(method: string, target: string, raw: readonly string[]): HeaderMap {
  const headers = HeaderMap.of("request", raw);
  if (method === "CONNECT") {
    headers.put(":authority", target);
    headers.put(":method", method);
    return headers;
  }
  const absolute = /^(https?):\/\/([^/?#]*)(.*)$/iu.exec(target);
  if (absolute !== null) {
    headers.put(":authority", absolute[2] ?? "");
    headers.put(":scheme", (absolute[1] ?? "").toLowerCase());
  }
  const path = absolute === null ? target : pathOf(absolute[3] ?? "");
  headers.set(":path", path);
  headers.set(":method", method);
  return headers;
}

/** The headers of an HTTP/1 response as filters of Envoy see them: `connection` is there, `keep-alive` is not. */
export function http1ResponseHeaders(status: number, raw: readonly string[]): HeaderMap {
  const headers = HeaderMap.of("response", [":status", String(status), ...raw]);
  headers.remove("keep-alive");
  return headers;
}

/**
 * Headers as HTTP/1 writes them, names and values in turn: no pseudo headers, `:authority` as `host` first. Framing
 * (`content-length` of nothing, `transfer-encoding`, `connection`) is left to who writes them.
 */
export function toHttp1(headers: HeaderMap): string[] {
  const { flat } = headers;
  const out: string[] = [];
  for (let at = 0; at < flat.length; at += 2) {
    const name = flat[at] ?? "";
    if (name === ":authority") out.push("host", flat[at + 1] ?? "");
    else if (!name.startsWith(":")) out.push(name, flat[at + 1] ?? "");
  }
  return out;
}

function pathOf(rest: string): string {
  return rest.startsWith("/") ? rest : `/${rest}`;
}
