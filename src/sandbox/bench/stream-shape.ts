/** Names and values in turn: strings of bytes (latin1). */
export type FlatHeaders = readonly string[];

/** What one stream looks like: what the client sends and what the upstream answers. */
export interface StreamShape {
  readonly requestHeaders: FlatHeaders;
  /** Pieces, in order; none is a request without a body. */
  readonly requestBody: readonly Uint8Array[];
  readonly requestTrailers?: FlatHeaders | undefined;
  readonly responseHeaders: FlatHeaders;
  readonly responseBody: readonly Uint8Array[];
  readonly responseTrailers?: FlatHeaders | undefined;
}

/** An ordinary GET of a browser through a proxy, twelve headers, and a small answer in one piece with seven. */
export function defaultShape(): StreamShape {
  return {
    requestHeaders: flat({
      ":authority": "example.com",
      ":path": "/products?page=2",
      ":method": "GET",
      ":scheme": "http",
      "x-forwarded-proto": "http",
      "x-request-id": "7f3b1c9e-4a52-4d0e-9b6f-2c8d5e1a0f34",
      "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
      accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
      "accept-language": "en-GB,en;q=0.5",
      "accept-encoding": "gzip, deflate, br",
      cookie: "session=1c9e4a524d0e; theme=dark",
      "cache-control": "no-cache",
    }),
    requestBody: [],
    responseHeaders: flat({
      ":status": "200",
      "content-type": "text/html; charset=utf-8",
      "content-length": String(ANSWER.length),
      "cache-control": "private, max-age=0",
      etag: '"5f3a-62b0c4d1"',
      vary: "accept-encoding",
      "x-envoy-upstream-service-time": "3",
    }),
    responseBody: [ANSWER],
  };
}

const ANSWER: Uint8Array = new TextEncoder().encode("<!doctype html><title>Products</title><p>A small answer.\n");

function flat(headers: Readonly<Record<string, string>>): string[] {
  return Object.entries(headers).flat();
}
