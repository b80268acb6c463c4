import { describe, expect, test } from "vitest";
import { http1RequestHeaders, http1ResponseHeaders, toHttp1 } from "../../../../src/host/exchange/http1-headers.ts";

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
