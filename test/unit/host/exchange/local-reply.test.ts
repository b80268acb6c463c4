import { describe, expect, test } from "vitest";
import { percentEncode } from "../../../../src/host/exchange/grpc-status.ts";
import { bytes, get, of, ok, reply, stage, trailers, type Acts, type On, type Stage } from "./stage.ts";

describe("a local reply", () => {
  test("in the request phase passes the response callbacks of every filter, the sender's too", () => {
    const on = asked({ requestHeaders: answers() }, { b: {} });
    expect(on.events).toEqual(
      [
        ["a:rqh eos", "b:rsh", "a:rsh", "down headers", "b:rsb no eos", "a:rsb no eos", "down data no eos"],
        ["a:log", "b:log", "a:destroy", "b:destroy"],
      ].flat(),
    );
    expect(on.exchange.info).toMatchObject({ responseCode: 403, responseCodeDetails: "by_filter", attemptCount: 0 });
  });

  test("has its status, the filter's headers, the length and the type, which the filter may choose", () => {
    const plain = asked({ requestHeaders: answers("no", [["x-own", "1"]]) });
    expect(plain.sent.response?.flat).toEqual(
      [
        [":status", "403", "x-own", "1", "content-length", "2", "content-type", "text/plain"],
        ["date", "Tue, 14 Nov 2023 22:13:20 GMT", "server", "envoy"],
      ].flat(),
    );
    const typed = asked({
      requestHeaders: answers("no", [
        ["content-type", "text/html"],
        ["content-length", "77"],
      ]),
    });
    expect(typed.sent.response?.get("content-type")).toBe("text/html");
    expect(typed.sent.response?.values("content-length")).toEqual(["2"]);
  });

  test("without a body has neither length nor type, and ends with its headers", () => {
    const on = asked({ requestHeaders: answers("", [["content-type", "text/html"]]) });
    expect(on.events).toContain("a:rsh eos");
    expect(on.events).toContain("down headers eos");
    expect(on.sent.response?.flat.slice(0, 4)).toEqual([":status", "403", "date", expect.any(String)]);
  });

  test("to HEAD has the headers of its body, and no body", () => {
    const on = stage({ a: { requestHeaders: answers() } });
    on.exchange.requestHeaders(get([], "HEAD"), true);
    expect(on.events).toContain("down headers eos");
    expect(on.sent.response?.get("content-length")).toBe("2");
  });

  test("is changed by the response callbacks; the client sees the new status", () => {
    const on = asked({
      requestHeaders: answers(),
      responseHeaders: ({ it }) => it.set(":status", "451"),
    });
    expect(on.sent.response?.get(":status")).toBe("451");
    expect(on.exchange.info.responseCode).toBe(451);
  });

  test("of several in one callback the first wins, but for the details", () => {
    const on = asked({
      requestHeaders: ({ callbacks }) => {
        callbacks.sendLocalReply(reply(403, "first"));
        callbacks.sendLocalReply(reply(500, "second", { details: "late" }));
        return undefined;
      },
    });
    expect(on.events).toContain("down data first eos");
    expect(on.exchange.info).toMatchObject({ responseCode: 403, responseCodeDetails: "late" });
  });

  test("its code is known to the response callbacks, and its status is not for the filter's headers to say", () => {
    const seen: (number | undefined)[] = [];
    const on = asked({
      requestHeaders: answers("", [[":status", "418"]]),
      responseHeaders: ({ callbacks }) => void seen.push(callbacks.info.responseCode),
    });
    expect(seen).toEqual([403]);
    expect(on.sent.response?.values(":status")).toEqual(["403"]);
  });

  test("from the response headers skips the callbacks", () => {
    const seen: (string | undefined)[] = [];
    const on = asked(
      {
        responseHeaders: answers(),
        log: ({ responseHeaders }) => void seen.push(responseHeaders?.get(":status")),
      },
      { b: {} },
    );
    on.exchange.responseHeaders(ok([["x-upstream", "1"]]), false);
    expect(on.events.slice(3)).toEqual(
      [
        ["b:rsh", "a:rsh", "down headers", "down data no eos"],
        ["a:log", "b:log", "a:destroy", "b:destroy", "up reset"],
      ].flat(),
    );
    expect(on.sent.response?.has("x-upstream")).toBe(false);
    expect(seen).toEqual(["403"]);
  });

  test("from the response body, when headers have gone out, breaks the stream off", () => {
    const on = asked({ responseData: answers() });
    on.exchange.responseHeaders(ok(), false);
    on.exchange.responseData(bytes("x"), true);
    expect(on.events.slice(-3)).toEqual(["down reset by_filter", "a:log", "a:destroy"]);
    expect(on.exchange.info).toMatchObject({ responseCode: 200, responseCodeDetails: "by_filter" });
  });

  test("from the response body while the headers are held goes to the client", () => {
    const on = asked({ responseHeaders: () => "stop-iteration", responseData: answers() });
    on.exchange.responseHeaders(ok(), false);
    on.exchange.responseData(bytes("x"), true);
    expect(on.sent.response?.get(":status")).toBe("403");
    expect(on.events).toContain("down data no eos");
  });

  test("late, on a paused stream, passes the response callbacks", () => {
    const on = asked({ requestHeaders: () => "stop-all-and-watermark" });
    of(on).sendLocalReply(reply(401));
    expect(on.events).toEqual(["a:rqh eos", "a:rsh eos", "down headers eos", "a:log", "a:destroy"]);
  });

  test("from the request body gives the upstream up", () => {
    const on = stage({ a: { requestData: answers() } });
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.requestData(bytes("x"), false);
    expect(on.events.slice(1)).toEqual(
      [
        ["up headers", "a:rqb x", "a:rsh", "down headers", "a:rsb no eos", "down data no eos"],
        ["a:log", "a:destroy", "up reset"],
      ].flat(),
    );
    expect(on.sent.response?.get("connection")).toBe("close");
    on.exchange.requestData(bytes("y"), true);
    on.exchange.responseHeaders(ok(), true);
    expect(on.events.at(-1)).toBe("up reset");
  });

  test("from request trailers works as well", () => {
    const on = stage({ a: { requestTrailers: answers() }, b: {} });
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.requestTrailers(trailers("t", "1"));
    expect(on.events.slice(3, 6)).toEqual(["a:rqt", "b:rsh", "a:rsh"]);
    expect(on.events).not.toContain("b:rqt");
  });

  test("held by a response callback waits; the request stays closed", () => {
    const on = stage({ a: { requestData: answers(), responseHeaders: () => "stop-all-and-buffer" } });
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.requestData(bytes("x"), false);
    on.exchange.requestData(bytes("y"), true);
    on.exchange.responseHeaders(ok(), true);
    expect(on.events.slice(2)).toEqual(["a:rqb x", "a:rsh"]);
    expect(on.exchange.pausedIn).toEqual(["response headers"]);
    const bare = asked({ requestHeaders: answers(), responseHeaders: () => "stop-all-and-buffer" });
    expect(bare.exchange.pausedIn).toEqual(["response headers"]);
    of(on).continueEncoding();
    expect(on.events.slice(4, 7)).toEqual(["down headers", "a:rsb no eos", "down data no eos"]);
  });

  test("with a status that is none is sent as it is", () => {
    const on = asked({ requestHeaders: ({ callbacks }) => callbacks.sendLocalReply(reply(99)) });
    expect(on.sent.response?.get(":status")).toBe("99");
  });
});

describe("a local reply to gRPC", () => {
  test("is 200 with the status that fits and the body as message, headers only", () => {
    const on = grpc(({ callbacks }) => callbacks.sendLocalReply(reply(403, "bad ü%\n")));
    expect(on.events).toContain("down headers eos");
    expect(on.sent.response?.flat.slice(0, 8)).toEqual(
      [
        [":status", "200", "content-type", "application/grpc"],
        ["grpc-status", "7", "grpc-message", "bad %C3%BC%25%0A"],
      ].flat(),
    );
    expect(on.exchange.info).toMatchObject({ responseCode: 200, grpcStatus: 7 });
  });

  test("takes the status it is given", () => {
    const on = grpc(({ callbacks }) => callbacks.sendLocalReply(reply(403, "", { grpcStatus: 16 })));
    expect(on.sent.response?.get("grpc-status")).toBe("16");
    expect(on.sent.response?.has("grpc-message")).toBe(false);
  });

  test("is for gRPC's content types only", () => {
    const on = stage({ a: { requestHeaders: answers() } });
    on.exchange.requestHeaders(get([["content-type", "application/grpc-web"]], "POST"), false);
    expect(on.sent.response?.get(":status")).toBe("403");
  });

  test("a gRPC status changes nothing for a plain client", () => {
    const on = asked({
      requestHeaders: ({ callbacks }) => callbacks.sendLocalReply(reply(403, "", { grpcStatus: 7 })),
    });
    expect(on.sent.response?.has("grpc-status")).toBe(false);
    expect(on.exchange.info.grpcStatus).toBe(7);
  });

  test.each([
    [400, "13"],
    [401, "16"],
    [404, "12"],
    [429, "14"],
    [503, "14"],
    [200, "2"],
    [500, "2"],
  ])("makes %i the status %s", (status, expected) => {
    const on = grpc(({ callbacks }) => callbacks.sendLocalReply(reply(status)));
    expect(on.sent.response?.get("grpc-status")).toBe(expected);
  });

  test("percent encoding leaves printable ASCII alone", () => {
    expect(percentEncode(bytes("a b~"))).toBe("a b~");
    expect(percentEncode(Uint8Array.of(0x7f, 0x00))).toBe("%7F%00");
  });
});

function answers(body = "no", headers: readonly (readonly [string, string])[] = []): (on: On<unknown>) => void {
  return ({ callbacks }) => callbacks.sendLocalReply(reply(403, body, { headers }));
}

/** A GET through `a`, and others after it. */
function asked(a: Acts, others: Readonly<Record<string, Acts>> = {}): Stage {
  const on = stage({ a, ...others });
  on.exchange.requestHeaders(get(), true);
  return on;
}

function grpc(requestHeaders: Acts["requestHeaders"]): Stage {
  const on = stage(requestHeaders === undefined ? {} : { a: { requestHeaders } });
  on.exchange.requestHeaders(get([["content-type", "application/grpc+proto"]], "POST"), false);
  return on;
}
