import { describe, expect, test } from "vitest";
import { defaultRequestHeaders, defaultResponseHeaders } from "../../../../src/host/exchange/default-headers.ts";
import { http1RequestHeaders, http1ResponseHeaders, toHttp1 } from "../../../../src/host/exchange/http1-headers.ts";
import { stage } from "./stage.ts";

describe("headers of HTTP/1", () => {
  test("become pseudo headers in the codec's order, other names in lower case", () => {
    const headers = http1RequestHeaders("GET", "/a?b", ["Accept", "*/*", "Host", "h", "X-A", "1"]);
    expect(headers.flat).toEqual([":authority", "h", ":path", "/a?b", ":method", "GET", "accept", "*/*", "x-a", "1"]);
  });

  test("an absolute target wins over the host, and says the scheme", () => {
    const headers = http1RequestHeaders("GET", "HTTPS://other:81?x", ["Host", "h"]);
    expect(headers.flat).toEqual([":authority", "other:81", ":scheme", "https", ":path", "/?x", ":method", "GET"]);
    expect(http1RequestHeaders("GET", "http://other/p", []).get(":path")).toBe("/p");
  });

  test("CONNECT has no path", () => {
    const headers = http1RequestHeaders("CONNECT", "h:80", ["Host", "h:80"]);
    expect(headers.flat).toEqual([":authority", "h:80", ":method", "CONNECT"]);
  });

  test("of a response start with the status", () => {
    expect(http1ResponseHeaders(404, ["X-A", "1"]).flat).toEqual([":status", "404", "x-a", "1"]);
  });

  test("are written without pseudo headers", () => {
    const headers = http1RequestHeaders("GET", "/", ["Host", "h", "a", "1"]);
    headers.add(":foo", "1");
    expect(toHttp1(headers)).toEqual(["host", "h", "a", "1"]);
  });
});

describe("default headers", () => {
  test("a filter sees six of a plain request, in Envoy's order", () => {
    const seen: string[] = [];
    const on = stage({ a: { requestHeaders: ({ it }) => void seen.push(...it.flat.filter((_, at) => at % 2 === 0)) } });
    on.exchange.requestHeaders(defaultRequestHeaders(), true);
    expect(seen).toEqual([":authority", ":path", ":method", ":scheme", "x-forwarded-proto", "x-request-id"]);
    expect(on.exchange.ended).toBe(false);
  });

  test("HTTP/2 has another order", () => {
    const headers = defaultRequestHeaders({
      method: "POST",
      path: "/a",
      authority: "h",
      scheme: "https",
      httpVersion: 2,
    });
    expect(headers.flat).toEqual([":path", "/a", ":method", "POST", ":authority", "h", ":scheme", "https"]);
  });

  test("a response says how its body is framed", () => {
    expect(defaultResponseHeaders(200, true).flat).toEqual([":status", "200", "transfer-encoding", "chunked"]);
    expect(defaultResponseHeaders(404, false).flat).toEqual([":status", "404", "content-length", "0"]);
    expect(defaultResponseHeaders(204, false).flat).toEqual([":status", "204"]);
  });
});
