import { describe, expect, test } from "vitest";
import { BodyBuffer } from "../../../../src/host/body-buffer.ts";
import type { DataStatus } from "../../../../src/host/http-filter.ts";
import { bytes, get, of, ok, stage, text, trailers, type Acts, type Stage } from "./stage.ts";

describe("the way through a chain", () => {
  test("requests go through filters in order, responses in reverse, all log before the first is destroyed", () => {
    const on = stage({ a: {}, b: {} });
    on.exchange.requestHeaders(get(), true);
    on.exchange.responseHeaders(ok(), false);
    on.exchange.responseData(bytes("hi"), false);
    on.exchange.responseData(bytes(""), true);
    expect(on.events).toEqual(
      [
        ["a:rqh eos", "b:rqh eos", "up headers eos"],
        ["b:rsh", "a:rsh", "down headers"],
        ["b:rsb hi", "a:rsb hi", "down data hi"],
        ["b:rsb  eos", "a:rsb  eos", "down data  eos"],
        ["a:log", "b:log", "a:destroy", "b:destroy"],
      ].flat(),
    );
    expect(on.exchange.ended).toBe(true);
  });

  test("an exchange without filters sends on what comes", () => {
    const on = stage({});
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.requestData(bytes("q"), true);
    on.exchange.responseHeaders(ok(), false);
    on.exchange.responseData(bytes("p"), true);
    expect(on.events).toEqual(["up headers", "up data q eos", "down headers", "down data p eos"]);
  });

  test("trailers end a body: no body call is the last one", () => {
    const on = stage({ a: {} });
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.requestData(bytes("q"), false);
    on.exchange.requestTrailers(trailers("t", "1"));
    on.exchange.responseHeaders(ok(), false);
    on.exchange.responseData(bytes("p"), false);
    on.exchange.responseTrailers(trailers("u", "2"));
    expect(on.events.slice(0, -2)).toEqual(
      [
        ["a:rqh", "up headers", "a:rqb q", "up data q", "a:rqt", "up trailers t=1"],
        ["a:rsh", "down headers", "a:rsb p", "down data p", "a:rst", "down trailers u=2"],
      ].flat(),
    );
  });

  test("a body held and continued goes on as one piece, the next chunk alone", () => {
    const answers: DataStatus[] = ["stop-and-buffer", "stop-and-buffer"];
    const { events } = posted({ requestData: () => answers.shift() }, ["abc", "def", "ghi", "jkl"]);
    expect(events).toEqual(
      [
        ["a:rqh", "up headers", "a:rqb abc", "a:rqb def", "a:rqb ghi", "up data abcdefghi"],
        ["a:rqb jkl", "up data jkl", "a:rqb  eos", "up data  eos"],
      ].flat(),
    );
  });

  test("stop-no-buffer drops the piece, stop-and-watermark keeps it", () => {
    const drop: DataStatus[] = ["stop-no-buffer"];
    expect(posted({ requestData: () => drop.shift() }, ["abc", "def"]).events).toContain("up data def");
    const keep: DataStatus[] = ["stop-and-watermark"];
    expect(posted({ requestData: () => keep.shift() }, ["abc", "def"]).events).toContain("up data abcdef");
  });

  test("a stream that drops its last piece still ends when continued", () => {
    const on = posted({ requestData: (it) => (it.end ? "stop-no-buffer" : undefined) }, ["abc"]);
    expect(on.exchange.pausedIn).toEqual(["request body"]);
    of(on).continueDecoding();
    expect(on.events.slice(-2)).toEqual(["a:rqb  eos", "up data  eos"]);
  });

  test("a change of the held body is kept for the calls that follow", () => {
    const on = posted(
      {
        requestData: ({ callbacks, it, end }) => {
          const held = callbacks.decodingBuffer();
          if (held?.length === 3) {
            held.drain(3);
            held.append(bytes("ZZZZZ"));
          }
          return end || it.length === 0 ? undefined : "stop-and-buffer";
        },
      },
      ["abc", "def"],
    );
    expect(on.events).toContain("up data ZZZZZdef eos");
  });

  test("a stop in the headers callback holds the headers, not the body, until a body call answers Continue", () => {
    const on = posted({ requestHeaders: () => "stop-iteration" }, ["abc"], { finish: false });
    expect(on.events).toEqual(["a:rqh", "a:rqb abc", "up headers", "up data abc"]);
  });

  test("a stop of everything holds headers and body; both come to the same filter's body callback when continued", () => {
    const on = posted({ requestHeaders: () => "stop-all-and-watermark" }, ["abc", "def"]);
    expect(on.events).toEqual(["a:rqh"]);
    expect(on.exchange.pausedIn).toEqual(["request headers"]);
    of(on).continueDecoding();
    expect(on.events.slice(1)).toEqual(["up headers", "a:rqb abcdef eos", "up data abcdef eos"]);
    expect(on.exchange.pausedIn).toEqual([]);
  });

  test("a filter that stops a bare request goes on with headers that end it", () => {
    const on = stage({ a: { requestHeaders: () => "stop-all-and-watermark" } });
    on.exchange.requestHeaders(get(), true);
    of(on).continueDecoding();
    expect(on.events).toEqual(["a:rqh eos", "up headers eos"]);
  });

  test("a second filter may stop what the first let go", () => {
    const on = stage({
      a: { requestData: ({ end }) => (end ? undefined : "stop-and-buffer") },
      b: { requestHeaders: () => "stop-all-and-buffer" },
    });
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.requestData(bytes("abc"), false);
    on.exchange.requestData(bytes(""), true);
    expect(on.events).toEqual(["a:rqh", "b:rqh", "a:rqb abc", "a:rqb  eos"]);
    of(on, "b").continueDecoding();
    expect(on.events.slice(4)).toEqual(["up headers", "b:rqb abc eos", "up data abc eos"]);
  });

  test("trailers come to a filter that holds the body's last piece, and let all of it go", () => {
    const on = stage({
      a: {
        requestData: () => "stop-and-buffer",
        requestTrailers: ({ callbacks }) => {
          const held = callbacks.decodingBuffer();
          expect(text(held ?? bytes(""))).toBe("abcdef");
          held?.drain(6);
          held?.append(bytes("T"));
          return undefined;
        },
      },
    });
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.requestData(bytes("abc"), false);
    on.exchange.requestData(bytes("def"), false);
    on.exchange.requestTrailers(trailers("t", "1"));
    expect(on.events.slice(-2)).toEqual(["up data T", "up trailers t=1"]);
  });

  test("stopped trailers go on when continued", () => {
    const on = stage({ a: { requestTrailers: () => "stop-iteration" } });
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.requestData(bytes("abc"), false);
    on.exchange.requestTrailers(trailers("t", "1"));
    expect(on.exchange.pausedIn).toEqual(["request trailers"]);
    of(on).continueDecoding();
    expect(on.events.slice(-3)).toEqual(["up data abc", "a:rqt", "up trailers t=1"]);
  });

  test("continue after the trailers passed sends nothing twice, and is reported: Envoy does", () => {
    const on = stage({ a: {} });
    on.exchange.requestHeaders(get([], "POST"), false);
    of(on).continueDecoding();
    expect(on.reports).toEqual([]);
    on.exchange.requestTrailers(trailers("t", "1"));
    of(on).continueDecoding();
    expect(on.events).toEqual(["a:rqh", "up headers", "a:rqt", "up trailers t=1"]);
    expect(on.reports).toMatchObject([{ code: "continue-after-trailers", severity: "warning" }]);
  });

  test("trailers a filter adds to the last piece come to the filters behind it and to the far end", () => {
    const on = stage({
      a: { requestData: ({ callbacks, end }) => void (end && callbacks.addDecodedTrailers().add("x", "y")) },
      b: {},
    });
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.requestData(bytes("abc"), true);
    expect(on.events.slice(3)).toEqual(["a:rqb abc eos", "b:rqb abc", "up data abc", "b:rqt", "up trailers x=y"]);
  });

  test("trailers added to a piece that is held wait for it; that Envoy loses the piece is reported", () => {
    const on = stage({
      a: {
        requestData: ({ callbacks }) => {
          callbacks.addDecodedTrailers().add("x", "y");
          return "stop-and-buffer";
        },
      },
    });
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.requestData(bytes("abc"), true);
    expect(on.events.at(-1)).toBe("a:rqb abc eos");
    expect(on.reports).toMatchObject([{ code: "trailers-lose-body", severity: "warning" }]);
    of(on).continueDecoding();
    expect(on.events.slice(-2)).toEqual(["up data abc", "up trailers x=y"]);
  });

  test("the same for trailers added to a response, also when the last piece is held first", () => {
    const on = stage({
      a: {
        responseData: ({ callbacks, end }) => {
          if (!end) return undefined;
          callbacks.addEncodedTrailers().add("x", "y");
          return "stop-and-buffer";
        },
      },
    });
    on.exchange.requestHeaders(get(), true);
    on.exchange.responseHeaders(ok(), false);
    on.exchange.responseData(bytes("abc"), true);
    expect(on.events.at(-1)).toBe("a:rsb abc eos");
    of(on).continueEncoding();
    expect(on.events.slice(-4)).toEqual(["down data abc", "down trailers x=y", "a:log", "a:destroy"]);
  });

  test("a body made for headers that had none follows them", () => {
    const on = stage({
      a: { requestHeaders: ({ callbacks, it }) => callbacks.addDecodedData(bodyOf(it.get(":path") ?? "")) },
      b: {},
    });
    on.exchange.requestHeaders(get(), true);
    expect(on.events).toEqual(["a:rqh eos", "b:rqh", "up headers", "b:rqb / eos", "up data / eos"]);
  });

  test("a filter that stopped the headers alone gets the body made before it, and lets both go", () => {
    const on = stage({
      a: { requestHeaders: ({ callbacks }) => callbacks.addDecodedData(bodyOf("made")) },
      b: { requestHeaders: () => "stop-iteration" },
    });
    on.exchange.requestHeaders(get(), true);
    expect(on.events).toEqual(["a:rqh eos", "b:rqh", "b:rqb made eos", "up headers", "up data made eos"]);
  });

  test("a body made behind a filter that stopped does not come twice when that filter goes on", () => {
    const on = stage({
      a: { requestHeaders: () => "stop-all-and-buffer" },
      b: { requestHeaders: ({ callbacks }) => callbacks.addDecodedData(bodyOf("made")) },
      c: {},
    });
    on.exchange.requestHeaders(get(), true);
    of(on).continueDecoding();
    expect(on.events.slice(1)).toEqual(["b:rqh eos", "c:rqh", "up headers", "c:rqb made eos", "up data made eos"]);
  });

  test("trailers a filter adds after it was taken up again do not come back to itself", () => {
    const on = stage({
      a: {
        requestHeaders: () => "stop-all-and-buffer",
        requestData: ({ callbacks, end }) => void (end && callbacks.addDecodedTrailers().add("x", "y")),
      },
    });
    on.exchange.requestHeaders(get([], "POST"), false);
    of(on).continueDecoding();
    on.exchange.requestData(bytes("abc"), true);
    expect(on.events.slice(2)).toEqual(["a:rqb abc eos", "up data abc", "up trailers x=y"]);
  });

  test("data made in a trailers callback goes before the trailers", () => {
    const on = stage({
      a: { requestTrailers: ({ callbacks }) => callbacks.addDecodedData(bodyOf("more")) },
      b: {},
    });
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.requestTrailers(trailers("t", "1"));
    expect(on.events.slice(3)).toEqual(["a:rqt", "b:rqb more", "up data more", "b:rqt", "up trailers t=1"]);
  });

  test("continue does nothing where nothing was stopped and held, and after the end", () => {
    const on = stage({ a: {}, b: { requestData: () => "stop-and-buffer" } });
    on.exchange.requestHeaders(get([], "POST"), false);
    of(on).continueDecoding();
    of(on, "b").continueDecoding();
    expect(on.events).toEqual(["a:rqh", "b:rqh", "up headers"]);
    on.exchange.requestData(bytes("abc"), false);
    on.exchange.downstreamReset();
    const before = on.events.length;
    of(on, "b").continueDecoding();
    of(on, "b").continueEncoding();
    expect(on.events.length).toBe(before);
  });

  test("continue of a filter that stopped nothing shows the next one what is held", () => {
    const on = stage({ a: {}, b: { requestData: () => "stop-and-buffer" } });
    on.exchange.requestHeaders(get([], "POST"), false);
    on.exchange.requestData(bytes("abc"), false);
    of(on).continueDecoding();
    expect(on.events.slice(3)).toEqual(["a:rqb abc", "b:rqb abc", "b:rqb abc"]);
    of(on, "b").continueDecoding();
    expect(on.events.at(-1)).toBe("up data abc");
  });

  test("continue in the last body callback ends the request, whatever the callback then answers", () => {
    const on = posted(
      {
        requestData: ({ callbacks, end }) => {
          if (end) callbacks.continueDecoding();
          return "stop-and-watermark";
        },
      },
      ["abc"],
      { finish: false },
    );
    of(on).continueDecoding();
    on.exchange.requestData(bytes(""), true);
    expect(on.events.slice(2)).toEqual(["a:rqb abc", "up data abc", "a:rqb  eos", "up data  eos"]);
  });

  test("continue in the body callback of a held body sends what was held, then what the callback answers for", () => {
    let calls = 0;
    const on = posted(
      {
        requestData: ({ callbacks }) => {
          calls += 1;
          if (calls === 1) return "stop-and-buffer";
          if (calls === 2) callbacks.continueDecoding();
          return undefined;
        },
      },
      ["abc", "def"],
      { finish: false },
    );
    expect(on.events.slice(2)).toEqual(["a:rqb abc", "a:rqb def", "up data abc", "up data def"]);
  });
});

describe("what Envoy answers with a crash or a second request", () => {
  test("continue in the headers callback, and Pause: the headers go on, the body waits for another continue", () => {
    const on = posted(
      {
        requestHeaders: ({ callbacks }) => {
          callbacks.continueDecoding();
          return "stop-all-and-watermark";
        },
      },
      ["abc"],
    );
    expect(on.events).toEqual(["a:rqh", "up headers"]);
    of(on).continueDecoding();
    expect(on.events.slice(2)).toEqual(["a:rqb abc eos", "up data abc eos"]);
  });

  test("continue in the request headers callback, and Continue, ends the stream; nothing goes to the upstream", () => {
    const on = stage({ a: { requestHeaders: ({ callbacks }) => callbacks.continueDecoding() } });
    on.exchange.requestHeaders(get(), true);
    expect(on.events).toEqual(["a:rqh eos", "down reset wasme_continue_and_continue", "a:log", "a:destroy"]);
    expect(on.reports.map((each) => `${each.severity} ${each.code}`)).toEqual(["fault continue-and-continue"]);
  });

  test("continue in every body callback of a request that was stopped whole ends the stream", () => {
    const on = stage({
      a: {
        requestHeaders: () => "stop-all-and-buffer",
        requestData: ({ callbacks }) => {
          callbacks.continueDecoding();
          return "stop-and-buffer";
        },
      },
    });
    on.exchange.requestHeaders(get(), false);
    on.exchange.requestData(bytes("abc"), false);
    of(on).continueDecoding();
    expect(on.events.slice(-4)).toEqual(["down reset wasme_continue_in_circle", "a:log", "a:destroy", "up reset"]);
    expect(on.reports.map((each) => `${each.severity} ${each.code}`)).toEqual(["fault continue-in-circle"]);
  });

  test("the same in the response headers callback; nothing goes to the client", () => {
    const on = stage({ a: { responseHeaders: ({ callbacks }) => callbacks.continueEncoding() } });
    on.exchange.requestHeaders(get(), true);
    on.exchange.responseHeaders(ok(), true);
    expect(on.events.slice(2)).toEqual(["a:rsh eos", "down reset via_upstream", "a:log", "a:destroy"]);
    expect(on.reports[0]?.code).toBe("continue-and-continue");
  });

  test("continue of a response that has not come ends the stream", () => {
    const on = stage({ a: { requestHeaders: ({ callbacks }) => callbacks.continueEncoding() }, b: {} });
    on.exchange.requestHeaders(get(), true);
    expect(on.events).toEqual(
      [
        ["a:rqh eos", "down reset wasme_continue_without_response"],
        ["a:log", "b:log", "a:destroy", "b:destroy"],
      ].flat(),
    );
    expect(on.reports[0]).toMatchObject({ code: "continue-without-response", severity: "fault" });
  });
});

/** A POST with a body in chunks through one filter `a`; the end is a chunk of its own, as in HTTP/1. */
function posted(acts: Acts, chunks: readonly string[], { finish = true } = {}): Stage {
  const on = stage({ a: acts });
  on.exchange.requestHeaders(get([], "POST"), false);
  for (const chunk of chunks) on.exchange.requestData(bytes(chunk), false);
  if (finish) on.exchange.requestData(bytes(""), true);
  return on;
}

function bodyOf(content: string): BodyBuffer {
  return new BodyBuffer(bytes(content));
}
