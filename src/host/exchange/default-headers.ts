import { HeaderMap } from "../header-map.ts";

/** What of a request is not said by its headers. */
export interface RequestLine {
  /** Default `GET`. */
  readonly method?: string | undefined;
  /** Default `/`. */
  readonly path?: string | undefined;
  /** Default `localhost`. */
  readonly authority?: string | undefined;
  /** Default `http`. */
  readonly scheme?: string | undefined;
  /** Decides the order of the pseudo headers; default 1. */
  readonly httpVersion?: 1 | 2 | undefined;
}

/**
 * The headers of a plain request as Envoy's codec gives them to the connection manager, which adds `x-forwarded-proto` and
 * `x-request-id` (`HttpExchange.requestHeaders` does both): six headers for a filter to see, in Envoy's order.
 */
export function defaultRequestHeaders(line: RequestLine = {}): HeaderMap {
  const method = [":method", line.method ?? "GET"] as const;
  const path = [":path", line.path ?? "/"] as const;
  const authority = [":authority", line.authority ?? "localhost"] as const;
  const scheme = [":scheme", line.scheme ?? "http"] as const;
  const pairs = line.httpVersion === 2 ? [path, method, authority, scheme] : [authority, path, method, scheme];
  return new HeaderMap("request", pairs);
}

/**
 * The headers of an upstream's plain answer over HTTP/1, as filters see them: the length is open (`transfer-encoding`)
 * unless there is no body, so that a filter may change the body and leave the headers alone.
 */
export function defaultResponseHeaders(status: number, hasBody: boolean): HeaderMap {
  const framing = hasBody ? (["transfer-encoding", "chunked"] as const) : (["content-length", "0"] as const);
  const bodiless = status === 204 || status === 304 || status < 200;
  return new HeaderMap("response", [[":status", String(status)], ...(bodiless ? [] : [framing])]);
}
