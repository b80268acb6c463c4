import { describe, expect, test } from "vitest";
import { ResponseFlag } from "../../../../src/host/exchange/response-flags.ts";
import type { UpstreamFailure } from "../../../../src/host/exchange/http-exchange.ts";
import { HeaderMap } from "../../../../src/host/header-map.ts";
import { bytes, get, of, ok, stage, type Acts, type Stage } from "./stage.ts";

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
    expect(seen).toEqual([undefined, undefined, undefined, undefined]);
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

describe("an upstream that fails", () => {
  const rows: [UpstreamFailure, number, string, string, bigint][] = [
    [
      "refused",
      503,
      "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
      "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
      ResponseFlag.upstreamConnectionFailure,
    ],
    [
      "reset",
      503,
      "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
      "upstream_reset_before_response_started{connection_termination}",
      ResponseFlag.upstreamConnectionTermination,
    ],
    [
      "overflow",
      503,
      "upstream connect error or disconnect/reset before headers. reset reason: overflow",
      "upstream_reset_before_response_started{overflow}",
      ResponseFlag.upstreamOverflow,
    ],
    ["timeout", 504, "upstream request timeout", "response_timeout", ResponseFlag.upstreamRequestTimeout],
  ];
  test.each(rows)("%s: %i through the response callbacks", (kind, status, body, details, flag) => {
    const on = asked({});
    on.exchange.upstreamReset(kind);
    expect(on.events.slice(2)).toEqual(
      [["a:rsh", "down headers", `a:rsb ${body} eos`, `down data ${body} eos`, "a:log", "a:destroy"]].flat(),
    );
    expect(on.exchange.info).toMatchObject({ responseCode: status, responseCodeDetails: details, responseFlags: flag });
    expect(on.sent.response?.get("x-envoy-overloaded")).toBe(kind === "overflow" ? "true" : undefined);
  });

  test("after its headers: the stream is broken off, and the message was no HTTP", () => {
    const on = asked({});
    on.exchange.responseHeaders(ok(), false);
    on.exchange.upstreamReset("reset");
    const details = "upstream_reset_after_response_started{protocol_error}";
    expect(on.events.slice(4)).toEqual([`down reset ${details}`, "a:log", "a:destroy"]);
    expect(on.exchange.info).toMatchObject({
      responseCode: 200,
      responseCodeDetails: details,
      responseFlags: ResponseFlag.upstreamProtocolError,
    });
  });

  test("after its headers, which a filter holds: answered past the callbacks", () => {
    const on = asked({ responseHeaders: () => "stop-all-and-watermark" });
    on.exchange.responseHeaders(ok(), false);
    on.exchange.upstreamReset("reset");
    const body = "upstream connect error or disconnect/reset before headers. reset reason: protocol error";
    expect(on.events.slice(3)).toEqual(["down headers", `down data ${body} eos`, "a:log", "a:destroy"]);
    expect(on.exchange.info.responseCode).toBe(502);
  });

  test("a stream an HTTP/2 server resets is another reason", () => {
    const on = asked({});
    on.exchange.upstreamReset("remote-reset");
    expect(on.exchange.info).toMatchObject({
      responseCode: 503,
      responseCodeDetails: "upstream_reset_before_response_started{remote_reset}",
      responseFlags: ResponseFlag.upstreamRemoteReset,
    });
  });

  test.each(["", "101"])("an answer with the status %j is a protocol error", (status) => {
    const on = asked({});
    on.exchange.responseHeaders(ok([], status), true);
    expect(on.exchange.info).toMatchObject({ responseCode: 502, responseFlags: ResponseFlag.upstreamProtocolError });
  });
});

describe("an end before its time", () => {
  test("a filter resets: details are kept where there are some", () => {
    const early = asked({ requestHeaders: ({ callbacks }) => callbacks.resetStream("wasm_close_stream") });
    expect(early.events).toEqual(["a:rqh eos", "down reset wasm_close_stream", "a:log", "a:destroy"]);
    const late = asked({ responseHeaders: ({ callbacks }) => callbacks.resetStream("wasm_close_stream") });
    late.exchange.responseHeaders(ok(), false);
    expect(late.events.slice(2)).toEqual(["a:rsh", "down reset via_upstream", "a:log", "a:destroy", "up reset"]);
  });

  test("the client goes: filters log, the upstream is given up, nothing is sent", () => {
    const on = asked({});
    on.exchange.downstreamReset();
    expect(on.events.slice(2)).toEqual(["a:log", "a:destroy", "up reset"]);
    expect(on.exchange.info).toMatchObject({
      responseCode: undefined,
      responseCodeDetails: "downstream_remote_disconnect",
      responseFlags: ResponseFlag.downstreamConnectionTermination,
    });
    const http2 = stage({}, { info: { protocol: "HTTP/2" } });
    http2.exchange.requestHeaders(get(), true);
    http2.exchange.downstreamReset();
    expect(http2.exchange.info).toMatchObject({
      responseCodeDetails: "http2.remote_reset",
      responseFlags: ResponseFlag.downstreamRemoteReset,
    });
  });

  test("an answer before the request is complete closes the connection and gives the upstream up", () => {
    const on = stage({ a: {} });
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.responseHeaders(ok(), true);
    expect(on.sent.response?.get("connection")).toBe("close");
    expect(on.events.slice(-3)).toEqual(["a:log", "a:destroy", "up reset"]);
  });

  test("the log phase sees all maps, as they ended", () => {
    const seen: string[] = [];
    const on = asked({
      log: ({ requestHeaders, responseHeaders, responseTrailers }) =>
        void seen.push(
          requestHeaders?.get("x-envoy-expected-rq-timeout-ms") ?? "",
          responseHeaders?.get("server") ?? "",
          responseTrailers?.get("t") ?? "",
        ),
    });
    on.exchange.responseHeaders(ok(), false);
    const trailers = ok();
    trailers.replaceAll([["t", "1"]]);
    on.exchange.responseTrailers(trailers);
    expect(seen).toEqual(["15000", "envoy", "1"]);
  });

  test("bytes and times are counted", () => {
    const on = stage({ a: {} });
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.requestData(bytes("12345"), true);
    on.exchange.responseHeaders(ok(), false);
    on.exchange.responseData(bytes("123"), true);
    expect(on.exchange.info).toMatchObject({
      requestBytes: 5,
      responseBytes: 3,
      attemptCount: 1,
      startTime: 1_700_000_000_000_000_000n,
      endTime: 1_700_000_000_000_000_000n,
    });
    expect(on.exchange.info.responseHeaderBytes).toBe(on.sent.response?.byteSize);
  });
});

describe("the buffer limit", () => {
  test("a request body held beyond it: 413 through the response callbacks", () => {
    const on = limited({ requestData: () => "stop-and-buffer" });
    on.exchange.requestData(bytes("12345678"), false);
    on.exchange.requestData(bytes("9"), false);
    expect(on.events.slice(4)).toEqual(
      [
        ["a:rsh", "down headers", "a:rsb Payload Too Large eos", "down data Payload Too Large eos"],
        ["a:log", "a:destroy", "up reset"],
      ].flat(),
    );
    expect(on.exchange.info).toMatchObject({ responseCode: 413, responseCodeDetails: "request_payload_too_large" });
    expect(on.reports[0]?.code).toBe("buffer-limit");
  });

  test("the same when a filter stopped everything to buffer", () => {
    const on = limited({ requestHeaders: () => "stop-all-and-buffer" });
    on.exchange.requestData(bytes("123456789"), false);
    expect(on.exchange.info.responseCode).toBe(413);
  });

  test("with a watermark the client is asked to wait, and to go on when half is left", () => {
    const on = limited({ requestHeaders: () => "stop-all-and-watermark" });
    on.exchange.requestData(bytes("123456789"), false);
    on.exchange.requestData(bytes("0"), false);
    expect(on.events.slice(1)).toEqual(["down pause"]);
    of(on).continueDecoding();
    expect(on.events.slice(2)).toEqual(["up headers", "a:rqb 1234567890", "up data 1234567890", "down resume"]);
  });

  test("what a filter puts into the held body counts", () => {
    let calls = 0;
    const on = limited({
      requestData: ({ callbacks }) => {
        calls += 1;
        if (calls === 2) callbacks.decodingBuffer()?.append(bytes("123456789"));
        return "stop-and-buffer";
      },
    });
    on.exchange.requestData(bytes("1"), false);
    on.exchange.requestData(bytes("2"), false);
    expect(on.exchange.info.responseCode).toBe(413);
  });

  test("a body that is not held has no limit", () => {
    const on = limited({});
    on.exchange.requestData(bytes("12345678901234567890"), true);
    expect(on.events.at(-1)).toBe("up data 12345678901234567890 eos");
  });

  test("a response body held before its headers went: 500 past the callbacks", () => {
    const on = limited({ responseHeaders: () => "stop-all-and-buffer" });
    on.exchange.requestData(bytes(""), true);
    on.exchange.responseHeaders(ok(), false);
    on.exchange.responseData(bytes("123456789"), false);
    expect(on.events.slice(4, 7)).toEqual(["a:rsh", "down headers", "down data Internal Server Error eos"]);
    expect(on.exchange.info).toMatchObject({ responseCode: 500, responseCodeDetails: "response_payload_too_large" });
  });

  test("a response body held after its headers went: broken off", () => {
    const on = limited({ responseData: () => "stop-and-buffer" });
    on.exchange.requestData(bytes(""), true);
    on.exchange.responseHeaders(ok(), false);
    on.exchange.responseData(bytes("123456789"), false);
    expect(on.events.slice(7, 8)).toEqual(["down reset response_payload_too_large"]);
    expect(on.exchange.info.responseCode).toBe(200);
  });

  test("a response with a watermark makes the upstream wait", () => {
    const on = limited({ responseData: () => "stop-and-watermark" });
    on.exchange.requestData(bytes(""), true);
    on.exchange.responseHeaders(ok(), false);
    on.exchange.responseData(bytes("123456789"), false);
    expect(on.events.at(-1)).toBe("up pause");
    of(on).continueEncoding();
    expect(on.events.slice(-2)).toEqual(["down data 123456789", "up resume"]);
  });
});

function asked(a: Acts, headers: readonly (readonly [string, string])[] = []): Stage {
  const on = stage({ a });
  on.exchange.requestHeaders(get(headers), true);
  return on;
}

/** A POST with a limit of eight bytes. */
function limited(a: Acts): Stage {
  const on = stage({ a }, { bufferLimit: 8 });
  on.exchange.requestHeaders(get([], "POST"), false);
  return on;
}

function upgrade(map: HeaderMap): void {
  map.add("connection", "keep-alive, Upgrade");
  map.add("upgrade", "websocket");
}
