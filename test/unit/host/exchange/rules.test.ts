import { describe, expect, test } from "vitest";
import { ResponseFlag } from "../../../../src/host/exchange/response-flags.ts";
import { HeaderMap } from "../../../../src/host/header-map.ts";
import { bytes, get, ok, stage, type Acts, type Stage } from "./stage.ts";

describe("headers before the filters", () => {
  test("a plain request has six, in Envoy's order", () => {
    const seen: string[] = [];
    asked({ requestHeaders: ({ it }) => void seen.push(...it.flat) });
    expect(seen).toEqual(
      [
        [":authority", "a", ":path", "/", ":method", "GET", ":scheme", "http"],
        ["x-forwarded-proto", "http", "x-request-id", "00000000-0000-4000-8000-000000000000"],
      ].flat(),
    );
  });

  test("what is there stays, headers between two hops and those of Envoy alone go", () => {
    const names = ["keep-alive", "proxy-connection", "transfer-encoding", "x-envoy-internal", "x-envoy-max-retries"];
    const on = asked({}, [
      ...names.map((name) => [name, "1"] as const),
      ["connection", "keep-alive"],
      ["te", "gzip, trailers"],
      ["expect", "100-continue"],
      ["x-request-id", "mine"],
      ["x-forwarded-proto", "https"],
    ]);
    expect(on.sent.request?.flat.slice(6)).toEqual(
      [
        [":scheme", "https", "te", "trailers", "x-request-id", "mine", "x-forwarded-proto", "https"],
        ["x-envoy-expected-rq-timeout-ms", "15000"],
      ].flat(),
    );
  });

  test.each([
    ["ftp", "http"],
    ["HTTPS", "https"],
  ])("the scheme of x-forwarded-proto %s is %s", (proto, scheme) => {
    expect(asked({}, [["x-forwarded-proto", proto]]).sent.request?.get(":scheme")).toBe(scheme);
  });

  test.each([
    ["trailers", "trailers"],
    ["gzip", undefined],
    ["x-trailers", undefined],
  ])("of te: %s, %s is left", (te, left) => {
    expect(asked({}, [["te", te]]).sent.request?.get("te")).toBe(left);
  });

  test("an empty id is none", () => {
    const on = asked({}, [["x-request-id", ""]]);
    expect(on.sent.request?.get("x-request-id")).toMatch(/^0{8}-/u);
  });

  test.each([
    ["http://a/b?c", true],
    ["/b:c", true],
    ["", true],
    ["http://a/#b", false],
    ["http://u@a/", false],
    ["a:b", false],
    ["a b", false],
  ])("the referer %j stays: %s", (referer, stays) => {
    expect(asked({}, [["referer", referer]]).sent.request?.has("referer")).toBe(stays);
  });

  test("an id is made of random bytes", () => {
    const on = stage({}, { random: (target) => void target.fill(0xff) });
    on.exchange.requestHeaders(get(), true);
    expect(on.sent.request?.get("x-request-id")).toBe("ffffffff-ffff-4fff-bfff-ffffffffffff");
  });

  test.each([
    ["without a host", (map: HeaderMap) => map.remove("host"), 400, "missing_host_header"],
    ["for a path that is none", (map: HeaderMap) => map.set(":path", "*"), 404, "absolute_path_rejected"],
    ["for a fragment", (map: HeaderMap) => map.set(":path", "/a#b"), 400, "path_normalization_failed"],
    ["for an upgrade", (map: HeaderMap) => upgrade(map), 403, "upgrade_failed"],
  ])("a request %s is refused before the filters, which log it", (_, change, status, details) => {
    const on = stage({ a: {} });
    const headers = get();
    change(headers);
    on.exchange.requestHeaders(headers, true);
    expect(on.events).toEqual(["a:rsh eos", "down headers eos", "a:log", "a:destroy"]);
    // Who asks for another protocol has not said its last.
    expect(on.sent.response?.get("connection")).toBe(status === 403 ? "close" : undefined);
    expect(on.exchange.info).toMatchObject({ responseCode: status, responseCodeDetails: details });
  });
});

describe("headers behind the filters", () => {
  test.each<[string, (headers: HeaderMap) => unknown, number, string]>([
    ["no path", (map) => map.remove(":path"), 404, ""],
    ["no slash before the path", (map) => map.set(":path", "x"), 404, ""],
    ["no x-forwarded-proto", (map) => map.remove("x-forwarded-proto"), 404, ""],
    ["no headers", (map) => map.replaceAll([]), 404, ""],
    ["no method", (map) => map.remove(":method"), 503, "missing required header: :method"],
    ["a name with a space", (map) => map.add("x y", "1"), 503, "invalid header name: x y"],
    ["CONNECT", (map) => map.set(":method", "CONNECT"), 503, "missing required header: :protocol"],
    ["an empty name", (map) => map.add("", "1"), 503, "invalid header name: "],
    ["a value with a line end", (map) => map.add("x", "1\r\n2"), 503, "invalid header value for: x"],
  ])("%s: answered by the router", (_, change, status, body) => {
    const on = asked({ requestHeaders: ({ it }) => void change(it) });
    const seen = body === "" ? ["a:rsh eos", "down headers eos"] : ["a:rsh", "down headers", `a:rsb ${body} eos`];
    expect(on.events.slice(1, 1 + seen.length)).toEqual(seen);
    expect(on.exchange.info.responseCode).toBe(status);
    expect(on.exchange.info.responseFlags).toBe(
      status === 404 ? ResponseFlag.noRouteFound : ResponseFlag.downstreamProtocolError,
    );
    expect(on.events.some((event) => event.startsWith("up"))).toBe(false);
  });

  test("a request without a host is sent on", () => {
    const on = asked({ requestHeaders: ({ it }) => void it.remove(":authority") });
    expect(on.events).toContain("up headers eos");
    expect(on.sent.request?.has("host")).toBe(false);
  });

  test.each(["", "418,419", "abc"])("a response status %j: 502 past the callbacks", (status) => {
    const on = asked({
      responseHeaders: ({ it }) => void (status === "" ? it.remove(":status") : it.set(":status", status)),
    });
    on.exchange.responseHeaders(ok(), true);
    expect(on.events.slice(2, 5)).toEqual([
      "a:rsh eos",
      "down headers",
      "down data missing required header: :status eos",
    ]);
    expect(on.exchange.info).toMatchObject({
      responseCode: 502,
      responseCodeDetails: "filter_removed_required_response_headers{missing_required_header:_:status}",
    });
  });

  test("a response gets the upstream's time for the filters, the date and the server for the client", () => {
    const seen: string[] = [];
    let now = 1_000_000n;
    const clock = { now: () => 0n, monotonic: () => now };
    const on = stage({ a: { responseHeaders: ({ it }) => void seen.push(...it.flat) } }, { clock });
    on.exchange.requestHeaders(get(), true);
    now += 12_999_999n;
    const hop = [
      ["connection", "close"],
      ["transfer-encoding", "chunked"],
      ["server", "node"],
    ] as const;
    on.exchange.responseHeaders(ok(hop), false);
    on.exchange.responseData(bytes("x"), true);
    expect(seen.slice(-2)).toEqual(["x-envoy-upstream-service-time", "12"]);
    expect(seen).toContain("transfer-encoding");
    expect(on.sent.response?.flat.slice(2)).toEqual(
      [["server", "envoy", "x-envoy-upstream-service-time", "12", "date", "Thu, 01 Jan 1970 00:00:00 GMT"]].flat(),
    );
    expect(on.exchange.info.backendLatency).toBe(12_999_999n);
  });

  test("the date of the upstream stays", () => {
    const on = asked({});
    on.exchange.responseHeaders(ok([["date", "then"]]), true);
    expect(on.sent.response?.get("date")).toBe("then");
  });

  test("the response code follows :status behind the filters only", () => {
    const seen: (number | undefined)[] = [];
    const on = asked({
      requestHeaders: ({ callbacks }) => void seen.push(callbacks.info.responseCode),
      responseHeaders: ({ callbacks, it }) => {
        it.set(":status", "418");
        seen.push(callbacks.info.responseCode);
        return undefined;
      },
      responseData: ({ callbacks }) => void seen.push(callbacks.info.responseCode),
    });
    on.exchange.responseHeaders(ok(), false);
    on.exchange.responseData(bytes("x"), true);
    expect(seen).toEqual([undefined, 200, 418]);
  });

  test.each([
    ["a line end in a value", "x", "1\r\ny: 2"],
    ["a space in a name", "x y", "1"],
    ["an empty name", "", "1"],
    ["a strange pseudo header", ":foo", "1"],
  ])("%s of a response is left out on the way to the client only", (_, name, value) => {
    const seen: (string | undefined)[] = [];
    const on = asked({
      responseHeaders: ({ it }) => it.add(name, value),
      log: ({ responseHeaders }) => void seen.push(responseHeaders?.get(name)),
    });
    on.exchange.responseHeaders(ok(), true);
    expect(on.sent.response?.has(name)).toBe(false);
    expect(on.sent.response?.get("server")).toBe("envoy");
    expect(seen).toEqual([value]);
    expect(on.reports[0]).toMatchObject({ code: "invalid-header", severity: "warning" });
  });

  test("HTTP/1 says of headers alone that no body follows; filters do not see it", () => {
    const seen: (string | undefined)[] = [];
    const length = (status: string, protocol: string): string | undefined => {
      const log: Acts["log"] = ({ responseHeaders }) => void seen.push(responseHeaders?.get("content-length"));
      const on = stage({ a: { log } }, { info: { protocol } });
      on.exchange.requestHeaders(get(), true);
      on.exchange.responseHeaders(ok([], status), true);
      return on.sent.response?.get("content-length");
    };
    expect([length("200", "HTTP/1.1"), length("204", "HTTP/1.1"), length("304", "HTTP/1.1")]).toEqual([
      "0",
      undefined,
      undefined,
    ]);
    expect(length("200", "HTTP/2")).toBeUndefined();
    const said = asked({});
    said.exchange.responseHeaders(ok([["content-length", "0"]]), true);
    expect(said.sent.response?.get("content-length")).toBe("0");
    expect(seen).toEqual([undefined, undefined, undefined, undefined]);
  });

  test("keep-alive of an upstream is for the filters of HTTP/2 clients only", () => {
    const seen: boolean[] = [];
    for (const protocol of ["HTTP/1.1", "HTTP/2"]) {
      const a: Acts = { responseHeaders: ({ it }) => void seen.push(it.has("keep-alive")) };
      const on = stage({ a }, { info: { protocol } });
      on.exchange.requestHeaders(get(), true);
      on.exchange.responseHeaders(ok([["keep-alive", "timeout=5"]]), true);
      expect(on.sent.response?.has("keep-alive")).toBe(false);
    }
    expect(seen).toEqual([false, true]);
  });

  test("a length of an answer without content is a protocol error", () => {
    const on = asked({});
    on.exchange.responseHeaders(ok([["content-length", "5"]], "204"), true);
    expect(on.exchange.info.responseCode).toBe(502);
  });

  test("an empty length of an answer without content is taken away, as the codec does", () => {
    const on = asked({});
    on.exchange.responseHeaders(ok([["content-length", "0"]], "204"), true);
    expect(on.sent.response?.has("content-length")).toBe(false);
  });

  test("pieces without a byte are left out", () => {
    const on = stage({ a: {} });
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.requestData(bytes(""), false);
    on.exchange.responseHeaders(ok(), false);
    on.exchange.responseData(bytes(""), false);
    expect(on.events).toEqual(["a:rqh", "up headers", "a:rsh", "down headers"]);
  });

  test("the time limit a filter asks of the router is told the upstream", () => {
    const limit = (value: string): string | undefined =>
      asked({ requestHeaders: ({ it }) => it.add("x-envoy-upstream-rq-timeout-ms", value) }).sent.request?.get(
        "x-envoy-expected-rq-timeout-ms",
      );
    expect([limit("70"), limit("0"), limit("abc")]).toEqual(["70", undefined, "15000"]);
    const own = asked({ requestHeaders: ({ it }) => it.add("x-envoy-expected-rq-timeout-ms", "7") });
    expect(own.sent.request?.get("x-envoy-expected-rq-timeout-ms")).toBe("15000");
  });

  test("trailers of and for an HTTP/1 client are left out by default", () => {
    const on = stage({ a: {} }, { http1Trailers: false });
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.requestTrailers(new HeaderMap("trailers", [["t", "1"]]));
    on.exchange.responseHeaders(ok(), false);
    on.exchange.responseTrailers(new HeaderMap("trailers", [["t", "1"]]));
    expect(on.events.slice(2, -2)).toEqual(
      [["a:rqb  eos", "up data  eos", "a:rsh", "down headers", "a:rst", "down data  eos"]].flat(),
    );
  });

  test("cookies of an HTTP/2 client are joined", () => {
    const on = stage({ a: {} }, { info: { protocol: "HTTP/2" } });
    on.exchange.requestHeaders(
      get([
        ["cookie", "a"],
        ["x", "1"],
        ["cookie", "b"],
      ]),
      true,
    );
    expect(on.sent.request?.values("cookie")).toEqual(["a; b"]);
  });

  test("interim answers are left out", () => {
    const on = asked({});
    on.exchange.responseHeaders(ok([], "103"), false);
    on.exchange.responseHeaders(ok([], "204"), true);
    expect(on.events.filter((event) => event.startsWith("a:rsh"))).toEqual(["a:rsh eos"]);
  });
});

describe("a body that is not as long as its content-length", () => {
  const change = (to: string): Acts => ({
    responseData: ({ it }) => {
      it.drain(it.length);
      it.append(bytes(to));
      return undefined;
    },
  });

  test("longer: the client gets as much as was announced; the filter sees everything", () => {
    const on = asked(change("0123456789"));
    on.exchange.responseHeaders(ok([["content-length", "5"]]), false);
    on.exchange.responseData(bytes("abcde"), false);
    on.exchange.responseData(bytes("f"), true);
    expect(on.events.slice(4)).toEqual(
      [
        ["a:rsb abcde", "down data 01234", "a:rsb f eos", "down data  eos"],
        ["a:log", "a:destroy"],
      ].flat(),
    );
  });

  test("shorter: the stream is broken off", () => {
    const on = asked(change("01"));
    on.exchange.responseHeaders(ok([["content-length", "5"]]), false);
    on.exchange.responseData(bytes("abcde"), true);
    expect(on.events.slice(5, 7)).toEqual(["down data 01", "down reset content_length_mismatch"]);
    expect(on.exchange.info).toMatchObject({ responseCode: 200, responseCodeDetails: "via_upstream" });
  });

  test("shorter, with trailers: they are not sent", () => {
    const on = asked({});
    on.exchange.responseHeaders(ok([["content-length", "5"]]), false);
    on.exchange.responseTrailers(new HeaderMap("trailers", [["t", "1"]]));
    expect(on.events.slice(5, 6)).toEqual(["down reset content_length_mismatch"]);
  });

  test("an HTTP/2 client resets what is too long", () => {
    const on = stage({ a: change("0123456789") }, { info: { protocol: "HTTP/2" } });
    on.exchange.requestHeaders(get(), true);
    on.exchange.responseHeaders(ok([["content-length", "5"]]), false);
    on.exchange.responseData(bytes("abcde"), true);
    expect(on.events.slice(5, 6)).toEqual(["down reset content_length_mismatch"]);
  });

  test("headers alone that announce a body", () => {
    const on = asked({});
    on.exchange.responseHeaders(ok([["content-length", "5"]]), true);
    expect(on.events.slice(3, 5)).toEqual(["down headers", "down reset content_length_mismatch"]);
  });

  test("what a filter sends on after 204 or 304 is left out", () => {
    const on = asked({ responseHeaders: ({ it }) => it.set(":status", "204") });
    on.exchange.responseHeaders(ok([["content-length", "5"]]), false);
    on.exchange.responseData(bytes("abcde"), true);
    expect(on.events.slice(5, 6)).toEqual(["down data  eos"]);
  });

  test("a request: the upstream gets as much as was announced", () => {
    const longer: Acts = { requestData: ({ it }) => it.append(bytes("fgh")) };
    const on = stage({ a: longer });
    on.exchange.requestHeaders(get([["content-length", "5"]], "POST"), false);
    on.exchange.requestData(bytes("abcde"), true);
    expect(on.events.at(-1)).toBe("up data abcde eos");
  });

  test("an answer to HEAD may announce a body that does not come", () => {
    const on = stage({});
    on.exchange.requestHeaders(get([], "HEAD"), true);
    on.exchange.responseHeaders(ok([["content-length", "5"]]), true);
    expect(on.events.slice(-1)).toEqual(["down headers eos"]);
    expect(on.exchange.ended).toBe(true);
  });
});

function asked(a: Acts, headers: readonly (readonly [string, string])[] = []): Stage {
  const on = stage({ a });
  on.exchange.requestHeaders(get(headers), true);
  return on;
}

function upgrade(map: HeaderMap): void {
  map.add("connection", "keep-alive, Upgrade");
  map.add("upgrade", "websocket");
}
