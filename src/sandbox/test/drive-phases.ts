import { HeaderMap } from "../../host/header-map.ts";
import type { CaseRun } from "./case-run.ts";
import { checkResponse } from "./check-expectation.ts";
import type { LiveExchange, SeenMessage } from "./live-exchange.ts";
import type { PausePlace } from "./model-expect.ts";
import type { Phase, PhaseBody, PhaseHeaders } from "./model.ts";
import type { Place } from "./shape.ts";
import { contentBytes, headerPairs, nanoseconds } from "./values.ts";

/** Drives the callbacks of one stream by hand; what the next one gets is looked at after each. */
export function runPhases(run: CaseRun, phases: readonly Phase[], at: Place): void {
  const live = run.open({ request: {}, upstream: {} });
  live.driveByHand();
  for (const [index, phase] of phases.entries()) {
    const here = [...at, index];
    const before = run.mark();
    run.callouts.announce(phase.callouts, [...here, "callouts"]);
    const seen = { upstream: live.upstream.pieces.length, response: live.response.pieces.length };
    const event = perform(run, live, phase);
    run.session.settle();
    const { expect } = phase;
    if (expect === undefined) continue;
    const where = [...here, "expect"];
    if (expect.action !== undefined && event !== undefined)
      checkAction(run, live, event, [...where, "action"], expect.action);
    const side = event?.place.startsWith("response") === true ? live.response : live.upstream;
    if (expect.headers !== undefined) {
      run.checks.headers([...where, "headers"], "header", expect.headers, event?.headers ?? side.headers);
    }
    if (expect.trailers !== undefined) {
      run.checks.headers([...where, "trailers"], "trailer", expect.trailers, event?.trailers ?? side.trailers);
    }
    if (expect.body !== undefined) {
      const from = side === live.response ? seen.response : seen.upstream;
      run.checks.value([...where, "body"], "body", expect.body, piecesOf(side, from));
    }
    if (expect.response !== undefined) checkResponse(run.checks, expect.response, [...where, "response"], live);
    if (expect.log !== undefined) {
      run.checks.log([...where, "log"], expect.log, run.session.logs.slice(before.logs));
    }
  }
  live.forget();
}

interface PhaseEvent {
  readonly place: PausePlace;
  /** The maps that were handed in; filters change them in place. */
  readonly headers?: HeaderMap;
  readonly trailers?: HeaderMap;
}

function perform(run: CaseRun, live: LiveExchange, phase: Phase): PhaseEvent | undefined {
  if (phase.advance !== undefined) run.session.advance(nanoseconds(phase.advance));
  if (phase.requestHeaders !== undefined) return headers(live, "request", phase.requestHeaders);
  if (phase.responseHeaders !== undefined) return headers(live, "response", phase.responseHeaders);
  if (phase.requestBody !== undefined) return body(run, live, "request", phase.requestBody);
  if (phase.responseBody !== undefined) return body(run, live, "response", phase.responseBody);
  for (const half of ["request", "response"] as const) {
    const given = phase[`${half}Trailers`];
    if (given === undefined) continue;
    const trailers = new HeaderMap("trailers", headerPairs(given));
    if (half === "request") live.exchange.requestTrailers(trailers);
    else live.exchange.responseTrailers(trailers);
    return { place: `${half} trailers`, trailers };
  }
  return undefined;
}

function headers(live: LiveExchange, half: "request" | "response", given: PhaseHeaders): PhaseEvent {
  const map = new HeaderMap(half, headerPairs(given.headers));
  if (half === "request") live.exchange.requestHeaders(map, given.endStream ?? false);
  else {
    live.answerable();
    if (!map.has(":status")) map.add(":status", "200");
    live.exchange.responseHeaders(map, given.endStream ?? false);
  }
  return { place: `${half} headers`, headers: map };
}

function body(run: CaseRun, live: LiveExchange, half: "request" | "response", given: PhaseBody): PhaseEvent {
  const bytes = contentBytes(given.chunk, run.readBytes);
  const end = given.endStream ?? false;
  if (half === "request") live.exchange.requestData(bytes, end);
  else live.exchange.responseData(bytes, end);
  return { place: `${half} body` };
}

function checkAction(
  run: CaseRun,
  live: LiveExchange,
  { place }: PhaseEvent,
  at: Place,
  expected: "continue" | "pause",
): void {
  const actual = live.pausedIn.includes(place) ? "pause" : "continue";
  if (actual === expected) return;
  run.checks.fail(at, `the action is ${actual}, expected ${expected}`, { expected, actual, replacement: actual });
}

function piecesOf(message: SeenMessage, from: number): string {
  return Buffer.concat(message.pieces.slice(from)).toString("latin1");
}
