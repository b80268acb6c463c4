import { describe, expect, test } from "vitest";
import { BodyBuffer } from "../../../../src/host/body-buffer.ts";
import type { UpstreamFailure, UpstreamSink } from "../../../../src/host/exchange/http-exchange.ts";
import { ResponseFlag } from "../../../../src/host/exchange/response-flags.ts";
import { bytes, get, of, ok, reply, stage, trailers, type Acts, type Stage } from "./stage.ts";

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

  test("with a request under way: what failed is not given up as well", () => {
    const on = stage({});
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.upstreamReset("reset");
    expect(on.events.filter((event) => event.startsWith("up"))).toEqual(["up headers"]);
    expect(on.exchange.ended).toBe(true);
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
    on.exchange.responseTrailers(trailers("t", "1"));
    expect(seen).toEqual(["15000", "envoy", "1"]);
  });

  test("a filter that is logged can do nothing any more", () => {
    const on = stage({
      a: {
        log: () => {
          const callbacks = of(on);
          callbacks.sendLocalReply(reply(500));
          callbacks.resetStream("late");
          callbacks.continueDecoding();
          callbacks.continueEncoding();
          callbacks.addDecodedData(new BodyBuffer(bytes("x")));
          callbacks.addEncodedData(new BodyBuffer(bytes("x")));
        },
      },
    });
    on.exchange.requestHeaders(get(), true);
    on.exchange.responseHeaders(ok(), true);
    expect(on.events.slice(-3)).toEqual(["down headers eos", "a:log", "a:destroy"]);
    expect(on.exchange.info).toMatchObject({ responseCode: 200, responseCodeDetails: "via_upstream" });
    expect(on.reports).toEqual([]);
  });

  test.each([true, false])("an upstream may answer from within the sink; the whole answer: %s", (whole) => {
    const answers: Partial<UpstreamSink> = {
      headers: () => {
        on.exchange.responseHeaders(ok(), false);
        on.exchange.responseData(bytes("x"), whole);
      },
    };
    const on = stage({
      a: { requestHeaders: ({ callbacks }) => callbacks.addDecodedData(new BodyBuffer(bytes("q"))) },
    });
    on.upstream(answers);
    on.exchange.requestHeaders(get(), true);
    const upstream = whole ? ["a:log", "a:destroy", "up reset"] : ["up data q eos"];
    expect(on.events).toEqual(
      [
        ["a:rqh eos", "up headers", "a:rsh", "down headers"],
        whole ? ["a:rsb x eos", "down data x eos"] : ["a:rsb x", "down data x"],
        upstream,
      ].flat(),
    );
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

  test("so it does when the piece itself is dropped", () => {
    const on = limited({
      requestData: ({ callbacks, it }) => {
        if (it.length === 1) return "stop-and-buffer";
        callbacks.decodingBuffer()?.append(bytes("123456789"));
        return "stop-no-buffer";
      },
    });
    on.exchange.requestData(bytes("1"), false);
    on.exchange.requestData(bytes("22"), false);
    expect(on.exchange.info.responseCode).toBe(413);
  });

  test("so it does when it comes with the trailers", () => {
    const on = limited({
      requestData: () => "stop-and-buffer",
      requestTrailers: ({ callbacks }) => {
        callbacks.decodingBuffer()?.append(bytes("123456789"));
        return "stop-iteration";
      },
    });
    on.exchange.requestData(bytes("1"), false);
    on.exchange.requestTrailers(trailers("t", "1"));
    expect(on.exchange.info.responseCode).toBe(413);
  });

  test("the client goes on when the filter itself has taken what was held down to half of the limit", () => {
    const on = limited({
      requestData: ({ callbacks, it }) => {
        if (it.length === 9) return "stop-and-watermark";
        callbacks.decodingBuffer()?.drain(it.length);
        return "stop-no-buffer";
      },
    });
    on.exchange.requestData(bytes("123456789"), false);
    on.exchange.requestData(bytes("four"), false);
    expect(on.events.at(-1)).toBe("a:rqb four");
    on.exchange.requestData(bytes("1"), false);
    expect(on.events.at(-1)).toBe("down resume");
  });

  test("an HTTP/2 client's body may be longer", () => {
    const on = stage({ a: { requestData: () => "stop-and-buffer" } }, { info: { protocol: "HTTP/2" } });
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.requestData(new Uint8Array(16 * 1024 * 1024), false);
    expect(on.exchange.ended).toBe(false);
    on.exchange.requestData(bytes("x"), false);
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

function asked(a: Acts): Stage {
  const on = stage({ a });
  on.exchange.requestHeaders(get(), true);
  return on;
}

/** A POST with a limit of eight bytes. */
function limited(a: Acts): Stage {
  const on = stage({ a }, { bufferLimit: 8 });
  on.exchange.requestHeaders(get([], "POST"), false);
  return on;
}
