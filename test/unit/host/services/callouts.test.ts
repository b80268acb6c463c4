import { describe, expect, it } from "vitest";
import type { CalloutFailure, CalloutPort, CalloutStart, HttpCallout } from "../../../../src/host/callout.ts";
import { latin1, latin1Bytes } from "../../../../src/host/guest-memory.ts";
import { HeaderMap } from "../../../../src/host/header-map.ts";
import { encodePairs } from "../../../../src/host/pairs-codec.ts";
import { call, type GuestCall, OUT } from "../../../support/guest-program.ts";
import { RecordingCallbacks } from "../support/recording.ts";
import { runGuest, type RunningGuest } from "./guest.ts";

const headers = encodePairs([":method", "POST", ":path", "/call", ":authority", "callee", "X-Mine", "1"]);
const trailers = encodePairs(["last", "word"]);

function httpCall(cluster: string, body = "", timeoutMs = 0, pairs = headers): GuestCall {
  return call("proxy_http_call", cluster, pairs, body, new Uint8Array(0), timeoutMs, OUT);
}

/** What a guest looks at when an answer comes. */
const looks: readonly GuestCall[] = [
  call("proxy_get_header_map_pairs", 6, OUT, OUT + 4),
  call("proxy_get_header_map_pairs", 7, OUT, OUT + 4),
  call("proxy_get_buffer_bytes", 4, 0, 999, OUT, OUT + 4),
  call("proxy_get_status", OUT, OUT + 4, OUT + 8),
];

class Port implements CalloutPort {
  readonly sent: HttpCallout[] = [];
  readonly cancelled: number[] = [];

  http(callout: HttpCallout): CalloutStart {
    if (callout.cluster === "nobody") return "unknown-cluster";
    this.sent.push(callout);
    return callout.cluster === "empty" ? "no-endpoint" : "sent";
  }

  cancelHttp(callout: HttpCallout): void {
    this.cancelled.push(callout.token);
  }

  last(): HttpCallout {
    const callout = this.sent.at(-1);
    if (callout === undefined) throw new Error("nothing was sent");
    return callout;
  }
}

function start(
  calls: readonly GuestCall[],
  answers: readonly GuestCall[] = looks,
): RunningGuest & { readonly port: Port } {
  const port = new Port();
  const callbacks = { proxy_on_configure: calls, proxy_on_http_call_response: answers, proxy_on_tick: calls };
  return Object.assign(runGuest({ callbacks }, { callouts: port }), { port });
}

function answer(status = "200", body = ""): Parameters<HttpCallout["answer"]>[0] {
  const given = new HeaderMap("response", [
    [":status", status],
    ["x-a", "1"],
  ]);
  return { headers: given, body: latin1Bytes(body), trailers: undefined };
}

describe("HTTP callouts", () => {
  it("are checked and numbered as Envoy does, rows 46 and 47", () => {
    const guest = start([
      httpCall("nobody"),
      httpCall("up", "", -5),
      httpCall("up", "", 0, encodePairs([":method", "GET", ":path", "/"])),
      httpCall("up", "", 0, encodePairs([":method", "GET", ":authority", "a"])),
      httpCall("up", "", 0, encodePairs([":authority", "a", ":path", "/"])),
      httpCall("up"),
      httpCall("empty"),
      httpCall("up"),
    ]);
    expect(guest.calls().map((line) => line.replace(/^.*\) = /u, ""))).toEqual([
      "2",
      "2",
      "2",
      "2",
      "2",
      "0, 4",
      "10",
      "0, 12",
    ]);
    expect(guest.port.sent.map(({ token }) => token)).toEqual([4, 8, 12]);
  });

  it("want their memory in bounds before anything else, and a place for the token", () => {
    const guest = start([
      call("proxy_http_call", -1, 2, headers, "", "", 0, OUT),
      call("proxy_http_call", "up", -1, 2, "", "", 0, OUT),
      call("proxy_http_call", "up", headers, -1, 2, "", 0, OUT),
      call("proxy_http_call", "up", headers, "", -1, 2, 0, OUT),
      call("proxy_http_call", "nobody", headers, "", "", -7, -4),
    ]);
    expect(guest.calls().map((line) => line.replace(/^.*\) = /u, ""))).toEqual(["6", "6", "6", "6", "6"]);
    expect(guest.port.sent).toEqual([]);
  });

  it("leave with what Envoy adds, row 49", () => {
    const guest = start([
      call("proxy_http_call", "up", headers, "body", trailers, 1000, OUT),
      httpCall(
        "up",
        "",
        0,
        encodePairs([":method", "GET", ":path", "/", "host", "one", "Host", "two", "content-length", "9"]),
      ),
    ]);
    const [first = guest.port.last(), second = guest.port.last()] = guest.port.sent;
    expect([...first.headers]).toEqual([
      [":method", "POST"],
      [":path", "/call"],
      [":authority", "callee"],
      [":scheme", "http"],
      ["x-mine", "1"],
      ["content-length", "4"],
      ["x-envoy-internal", "true"],
      ["x-envoy-expected-rq-timeout-ms", "1000"],
    ]);
    expect([latin1(first.body), first.timeoutMs, first.plugin, first.contextId]).toEqual(["body", 1000, "p", 1]);
    expect(first.trailers).toBeUndefined(); // Envoy sends none
    expect(second.headers.get(":authority")).toBe("one,two");
    expect([second.headers.get("content-length"), second.trailers]).toEqual(["9", undefined]);
    expect(second.headers.has("x-envoy-expected-rq-timeout-ms")).toBe(false);
  });

  it("bring the answer to the root context, with its time, and only while it is told", () => {
    const guest = start([httpCall("up")]);
    guest.calls();
    guest.environment.clock.at += 25_999_999n;
    const { port } = guest;
    port.last().answer({ ...answer("200", "ok"), trailers: new HeaderMap("trailers", [["t", "1"]]) });
    expect(guest.all()).toEqual([
      "> on_http_call_response(1, 4, 3, 2, 1)",
      "get_header_map_pairs(callout response headers) = 0, :status: 200; x-a: 1; x-envoy-upstream-service-time: 25",
      "get_header_map_pairs(callout response trailers) = 0, t: 1",
      "get_buffer_bytes(callout response body, 0, 999) = 0, ok",
      "get_status() = 0, 0, ",
    ]);
    port.last().answer(answer());
    port.last().fail("reset");
    expect(guest.all()).toEqual([]);
  });

  it.each([
    [
      "refused",
      503,
      "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
    ],
    ["reset", 503, "upstream connect error or disconnect/reset before headers. reset reason: connection termination"],
    ["overflow", 503, "upstream connect error or disconnect/reset before headers. reset reason: overflow"],
    ["protocol-error", 502, "upstream connect error or disconnect/reset before headers. reset reason: protocol error"],
    ["timeout", 504, "upstream request timeout"],
  ] satisfies [CalloutFailure, number, string][])(
    "that fail (%s) answer as Envoy's router, row 48",
    (kind, status, text) => {
      const guest = start([httpCall("up")]);
      guest.calls();
      guest.port.last().fail(kind);
      expect(guest.all()).toEqual([
        `> on_http_call_response(1, 4, 3, ${text.length}, 0)`,
        `get_header_map_pairs(callout response headers) = 0, :status: ${status}; content-length: ${text.length}; content-type: text/plain`,
        "get_header_map_pairs(callout response trailers) = 0, nothing",
        `get_buffer_bytes(callout response body, 0, 999) = 0, ${text}`,
        "get_status() = 0, 0, ",
      ]);
    },
  );

  it("cut short tell nothing but that, and the code stays", () => {
    const guest = start([httpCall("up")]);
    guest.calls();
    guest.port.last().fail("cut-short");
    expect(guest.all()).toEqual([
      "> on_http_call_response(1, 4, 0, 0, 0)",
      "get_header_map_pairs(callout response headers) = 0, nothing",
      "get_header_map_pairs(callout response trailers) = 0, nothing",
      "get_buffer_bytes(callout response body, 0, 999) = 1",
      "get_status() = 0, 11, reset",
    ]);
    guest.plugin.tick();
    guest.all();
    guest.port.last().answer(answer());
    expect(guest.all().at(-1)).toBe("get_status() = 0, 11, ");
  });

  it("have a status on the root only: a stream has its own, which nothing sets", () => {
    const status = [call("proxy_get_status", OUT, OUT + 4, OUT + 8)];
    const port = new Port();
    const callbacks = { proxy_on_configure: [httpCall("up")], proxy_on_http_call_response: status };
    const both = {
      ...callbacks,
      proxy_on_request_headers: [...status, call("proxy_set_effective_context", 1), ...status],
    };
    const guest = runGuest({ callbacks: both }, { callouts: port });
    guest.calls();
    port.last().fail("cut-short");
    const filter = guest.plugin.createHttpFilter();
    filter.attach(new RecordingCallbacks());
    filter.decodeHeaders(new HeaderMap("request"), true);
    expect(guest.calls()).toEqual([
      "get_status() = 0, 11, reset",
      "get_status() = 0, 0, ",
      "set_effective_context(1) = 0",
      "get_status() = 0, 11, ",
    ]);
  });

  it("answered while the guest runs wait until it has returned", () => {
    const port: CalloutPort = {
      http: (callout) => {
        callout.answer(answer());
        return "sent";
      },
    };
    const callbacks = { proxy_on_configure: [httpCall("up"), call("proxy_done")], proxy_on_http_call_response: [] };
    expect(runGuest({ callbacks }, { callouts: port }).all()).toEqual([
      "> on_configure(1, 0)",
      expect.stringContaining("http_call(up"),
      "done() = 1",
      "> on_http_call_response(1, 4, 3, 0, 0)",
    ]);
  });

  it("are given up with the guest, and nothing is delivered then", () => {
    const guest = start([httpCall("up"), httpCall("up")]);
    guest.calls();
    guest.host.stop();
    expect(guest.port.cancelled).toEqual([4, 8]);
    guest.port.last().answer(answer());
    expect(guest.all()).toEqual([]);
  });

  it("report pairs that Envoy takes for none", () => {
    const guest = start([httpCall("up", "", 0, Uint8Array.of(1, 0, 0, 0, 9))]);
    expect(guest.calls()).toEqual([expect.stringMatching(/^http_call\(up, malformed pairs: .*\) = 2$/u)]);
    expect(guest.environment.reports.map(({ code }) => code)).toEqual(["malformed-pairs"]);
  });

  it("have no cluster without a port", () => {
    const guest = runGuest({ callbacks: { proxy_on_configure: [httpCall("up")] } });
    expect(guest.calls()[0]).toMatch(/ = 2$/u);
  });
});
