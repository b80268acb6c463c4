import { HeaderMap } from "../../host/header-map.ts";
import type { CaseWorld } from "./case-world.ts";
import { checkResponse } from "./check-expectation.ts";
import type { LiveExchange, SeenMessage } from "./live-exchange.ts";
import type { PausePlace, PhaseExpectation } from "./model-expect.ts";
import type { Phase, PhaseBody, PhaseHeaders } from "./model.ts";
import type { Place } from "./shape.ts";
import { contentBytes, headerPairs, nanoseconds } from "./values.ts";

/** Drives the callbacks of one stream by hand; what the next one gets is looked at after each. */
export function runPhases(world: CaseWorld, phases: readonly Phase[], at: Place): void {
  const live = world.open({ request: {}, upstream: {} });
  live.driveByHand();
  for (const [index, phase] of phases.entries()) {
    const here = [...at, index];
    const before: Seen = {
      logs: world.session.logs.length,
      upstream: live.upstream.pieces.length,
      response: live.response.pieces.length,
    };
    world.callouts.announce(phase.callouts, [...here, "callouts"]);
    const event = perform(world, live, phase);
    world.session.settle();
    if (phase.expect !== undefined) checkPhase(world, live, { expect: phase.expect, event, before, at: here });
  }
  live.forget();
}

interface Seen {
  readonly logs: number;
  readonly upstream: number;
  readonly response: number;
}

interface PhaseCheck {
  readonly expect: PhaseExpectation;
  readonly event: PhaseEvent | undefined;
  readonly before: Seen;
  readonly at: Place;
}

function checkPhase(world: CaseWorld, live: LiveExchange, { expect, event, before, at }: PhaseCheck): void {
  const { checks, session } = world;
  const where = [...at, "expect"];
  const half = event?.place.startsWith("response") === true ? "response" : "upstream";
  const side = live[half];
  const { action, headers: names, trailers, body: bytes, response, log } = expect;
  if (action !== undefined) checkAction(world, live, event, [...where, "action"], action);
  const { headers: map = side.headers, trailers: end = side.trailers } = event ?? {};
  if (names !== undefined) checks.headers([...where, "headers"], "header", names, map);
  if (trailers !== undefined) checks.headers([...where, "trailers"], "trailer", trailers, end);
  if (bytes !== undefined) checks.value([...where, "body"], "body", bytes, piecesOf(side, before[half]));
  if (response !== undefined) checkResponse(checks, response, [...where, "response"], live);
  if (log !== undefined) checks.log([...where, "log"], log, session.logs.slice(before.logs));
}

interface PhaseEvent {
  readonly place: PausePlace;
  /** The maps that were handed in; filters change them in place. */
  readonly headers?: HeaderMap;
  readonly trailers?: HeaderMap;
}

function perform(world: CaseWorld, live: LiveExchange, phase: Phase): PhaseEvent | undefined {
  if (phase.advance !== undefined) world.session.advance(nanoseconds(phase.advance));
  if (phase.requestHeaders !== undefined) return headers(live, "request", phase.requestHeaders);
  if (phase.responseHeaders !== undefined) return headers(live, "response", phase.responseHeaders);
  if (phase.requestBody !== undefined) return body(world, live, "request", phase.requestBody);
  if (phase.responseBody !== undefined) return body(world, live, "response", phase.responseBody);
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

function body(world: CaseWorld, live: LiveExchange, half: "request" | "response", given: PhaseBody): PhaseEvent {
  const bytes = contentBytes(given.chunk, world.readBytes);
  const end = given.endStream ?? false;
  if (half === "request") live.exchange.requestData(bytes, end);
  else live.exchange.responseData(bytes, end);
  return { place: `${half} body` };
}

function checkAction(
  world: CaseWorld,
  live: LiveExchange,
  event: PhaseEvent | undefined,
  at: Place,
  expected: "continue" | "pause",
): void {
  if (event === undefined) return;
  const actual = live.pausedIn.includes(event.place) ? "pause" : "continue";
  if (actual === expected) return;
  world.checks.fail(at, `the action is ${actual}, expected ${expected}`, { expected, actual, replacement: actual });
}

function piecesOf(message: SeenMessage, from: number): string {
  return Buffer.concat(message.pieces.slice(from)).toString("latin1");
}
