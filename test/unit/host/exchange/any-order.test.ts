import { array, assert, boolean, constantFrom, nat, property, record, tuple, type Arbitrary } from "fast-check";
import { describe, expect, test } from "vitest";
import type { HttpExchange } from "../../../../src/host/exchange/http-exchange.ts";
import type { DataStatus, HeadersStatus, TrailersStatus } from "../../../../src/host/http-filter.ts";
import { bytes, get, of, ok, reply, stage, trailers, type Acts, type On, type Stage } from "./stage.ts";

describe("whatever filters answer and whoever acts when", () => {
  test("each end gets one message in order, filters log once and go once, nothing comes after the end", () => {
    assert(
      property(array(filter(true), { maxLength: 3 }), array(driverStep(), { maxLength: 30 }), (filters, steps) => {
        const on = played(filters, steps);
        on.exchange.downstreamReset();
        const before = on.events.length;
        play(on, ["requestData", "responseHeaders", "continue", "reply"]);
        expect(on.events.length).toBe(before);
        expect(message(on.events, "up")).toMatch(/^(?:(?:H|hd*[DT]?)R?)?$/u);
        expect(message(on.events, "down")).toMatch(/^(?:R|H|hd*[DTR]?)?$/u);
        const started = steps.includes("requestHeaders");
        for (const name of NAMES.slice(0, filters.length)) {
          const count = (what: string): number => on.events.filter((event) => event === `${name}:${what}`).length;
          expect([count("log"), count("destroy")]).toEqual(started ? [1, 1] : [0, 0]);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("with filters that only hold and go on, every byte arrives, in order", () => {
    const pieces = array(constantFrom("a", "bc", "def"), { maxLength: 5 });
    assert(
      property(
        array(filter(false), { maxLength: 3 }),
        pieces,
        boolean(),
        boolean(),
        (filters, body, last, trailing) => {
          const on = stage(Object.fromEntries(filters.map((acts, index) => [NAMES[index] ?? "", acts])));
          send(on.exchange, "request", { body, last, trailing });
          settle(on);
          if (on.exchange.ended) return;
          send(on.exchange, "response", { body, last, trailing });
          settle(on);
          expect(on.exchange.ended).toBe(true);
          expect(received(on.events, "up")).toBe(body.join(""));
          expect(received(on.events, "down")).toBe(body.join(""));
          expect(on.events.filter((event) => / trailers /.test(event))).toHaveLength(trailing ? 2 : 0);
        },
      ),
      { numRuns: 500 },
    );
  });
});

const NAMES = ["a", "b", "c"];

/** A filter that answers each callback with the next of some statuses, over and over. */
function filter(wild: boolean): Arbitrary<Acts> {
  const headers = constantFrom<HeadersStatus[]>(
    "continue",
    "stop-iteration",
    "stop-all-and-buffer",
    "stop-all-and-watermark",
  );
  const kept: DataStatus[] = ["continue", "stop-and-buffer", "stop-and-watermark"];
  const data = constantFrom<DataStatus[]>(...kept, ...(wild ? (["stop-no-buffer"] as const) : []));
  const last = constantFrom<TrailersStatus[]>("continue", "stop-iteration");
  const action = wild ? constantFrom(...ACTIONS) : constantFrom("none" as const);
  const half = record({
    headers,
    data: array(data, { minLength: 1 }),
    trailers: last,
    actions: array(action, { minLength: 1 }),
  });
  return tuple(half, half, nat(5)).map(([request, response]) => {
    let calls = 0;
    const answer = <Status>(statuses: readonly Status[], actions: readonly Action[]) => {
      return (on: On<unknown>): Status | undefined => {
        calls += 1;
        act(on, actions[calls % actions.length]);
        return statuses[calls % statuses.length];
      };
    };
    return {
      requestHeaders: answer([request.headers], request.actions),
      requestData: answer(request.data, request.actions),
      requestTrailers: answer([request.trailers], request.actions),
      responseHeaders: answer([response.headers], response.actions),
      responseData: answer(response.data, response.actions),
      responseTrailers: answer([response.trailers], response.actions),
    };
  });
}

const ACTIONS = ["none", "none", "none", "continueDecoding", "continueEncoding", "reply", "trailers", "reset"] as const;
type Action = (typeof ACTIONS)[number];

function act({ callbacks, end }: On<unknown>, action: Action | undefined): void {
  if (action === "continueDecoding") callbacks.continueDecoding();
  if (action === "continueEncoding") callbacks.continueEncoding();
  if (action === "reply") callbacks.sendLocalReply(reply(403, "no"));
  if (action === "reset") callbacks.resetStream("reset");
  if (action === "trailers" && end) callbacks.addDecodedTrailers().put("t", "1");
}

const STEPS = [
  "requestHeaders",
  "requestData",
  "requestEnd",
  "requestTrailers",
  "responseHeaders",
  "responseData",
  "responseEnd",
  "responseTrailers",
  "upstreamReset",
  "continue",
  "reply",
] as const;
type Step = (typeof STEPS)[number];

function driverStep(): Arbitrary<Step> {
  return constantFrom("requestHeaders", "requestData", "continue", ...STEPS);
}

function played(filters: readonly Acts[], steps: readonly Step[]): Stage {
  const on = stage(Object.fromEntries(filters.map((acts, index) => [NAMES[index] ?? "", acts])), { bufferLimit: 6 });
  play(on, steps);
  return on;
}

function play(on: Stage, steps: readonly Step[]): void {
  const { exchange } = on;
  const does: Readonly<Record<Step, () => void>> = {
    requestHeaders: () => exchange.requestHeaders(get([], "POST"), false),
    requestData: () => exchange.requestData(bytes("abc"), false),
    requestEnd: () => exchange.requestData(bytes(""), true),
    requestTrailers: () => exchange.requestTrailers(trailers("t", "1")),
    responseHeaders: () => exchange.responseHeaders(ok(), false),
    responseData: () => exchange.responseData(bytes("xyz"), false),
    responseEnd: () => exchange.responseData(bytes("z"), true),
    responseTrailers: () => exchange.responseTrailers(trailers("t", "1")),
    upstreamReset: () => exchange.upstreamReset("reset"),
    continue: () => goOn(on),
    reply: () => on.callbacks.get("a")?.sendLocalReply(reply(401, "late")),
  };
  for (const step of steps) does[step]();
}

function goOn(on: Stage): void {
  for (const name of on.callbacks.keys()) {
    of(on, name).continueDecoding();
    if (of(on, name).hasResponse) of(on, name).continueEncoding();
  }
}

/** Lets every filter go on until nothing is held. */
function settle(on: Stage): void {
  for (let turn = 0; turn < 20 && on.exchange.pausedIn.length > 0; turn += 1) goOn(on);
}

interface Message {
  readonly body: readonly string[];
  /** The last piece ends the body; else an empty one does. */
  readonly last: boolean;
  readonly trailing: boolean;
}

function send(exchange: HttpExchange, half: "request" | "response", { body, last, trailing }: Message): void {
  const data = (piece: string, end: boolean): void =>
    half === "request" ? exchange.requestData(bytes(piece), end) : exchange.responseData(bytes(piece), end);
  if (half === "request") exchange.requestHeaders(get([], "POST"), false);
  else exchange.responseHeaders(ok(), false);
  for (const [index, piece] of body.entries()) data(piece, last && !trailing && index === body.length - 1);
  if (trailing && half === "request") exchange.requestTrailers(trailers("t", "1"));
  else if (trailing) exchange.responseTrailers(trailers("t", "1"));
  else if (!last || body.length === 0) data("", true);
}

function received(events: readonly string[], end: "up" | "down"): string {
  const data = events.filter((event) => event.startsWith(`${end} data `));
  return data.map((event) => event.slice(end.length + 6).replace(/ eos$/u, "")).join("");
}

/** One letter for each thing an end got: capitals end the message. */
function message(events: readonly string[], end: "up" | "down"): string {
  const letters = { headers: "h", data: "d", trailers: "T", reset: "R", pause: "", resume: "" } as const;
  const letter = (event: string): string => {
    const found = letters[(event.split(" ")[1] ?? "") as keyof typeof letters];
    return event.endsWith(" eos") ? found.toUpperCase() : found;
  };
  return events
    .filter((event) => event.startsWith(`${end} `))
    .map(letter)
    .join("");
}
