import { WasmeError } from "../../domain/errors.ts";
import type { LogEntry } from "../../host/environment.ts";
import type { HostReport, ReportCode } from "../../host/host-report.ts";
import type { TraceEvent } from "../../host/trace.ts";
import type { Failure } from "./case-result.ts";
import { type CaseSetting, CaseWorld } from "./case-world.ts";
import { doStep } from "./do-step.ts";
import { runConnection } from "./drive-connection.ts";
import { runPhases } from "./drive-phases.ts";
import { seedHost } from "./given.ts";
import type { LiveExchange } from "./live-exchange.ts";
import type { Exchange, Step, Stream } from "./model.ts";
import type { PlannedCase } from "./planned-case.ts";
import type { RunEnd, Session } from "./session.ts";
import type { Place } from "./shape.ts";
import { startFilters } from "./start-filters.ts";
import { formatNanoseconds, nanoseconds } from "./values.ts";

/** What came of one run of a case. */
export interface CaseOutcome {
  /** It could not be run as it is meant. */
  readonly error: boolean;
  readonly failures: readonly Failure[];
  readonly logs: readonly LogEntry[];
  readonly reports: readonly HostReport[];
  readonly trace: readonly TraceEvent[];
}

/** Runs a case once, in a host of its own. Files that cannot be read are an error of the case. */
export async function runOnce(planned: PlannedCase, setting: CaseSetting, trace: boolean): Promise<CaseOutcome> {
  const world = new CaseWorld(planned, setting, trace);
  const { session, checks, at } = world;
  let error = false;
  try {
    seedHost(session, planned.given, world.vmId, world.readBytes);
    // Filters may call out while they start.
    world.callouts.announce(planned.test.callouts, [...at, "callouts"]);
    const started = await startFilters(world);
    error = started === "error";
    if (started === "started") {
      runTest(world);
      world.callouts.finish();
      checkReports(world);
    }
  } catch (thrown) {
    if (!(thrown instanceof WasmeError)) throw thrown;
    checks.fail(at, thrown.message);
    error = true;
  }
  const { logs, reports, trace: events } = session;
  return { error, failures: checks.failures, logs, reports, trace: events };
}

function runTest(world: CaseWorld): void {
  const { planned, session, at } = world;
  const { steps, streams, phases, connection, request, expect } = planned.test;
  if (request !== undefined) return runExchange(world, { ...planned.test, callouts: [] }, at, "drain");
  const before = world.mark();
  for (const [place, step] of (steps ?? []).entries()) runStep(world, step, [...at, "steps", place]);
  if (streams !== undefined) runStreams(world, streams, at);
  if (phases !== undefined) runPhases(world, phases, [...at, "phases"]);
  if (connection !== undefined) runConnection(world, connection, [...at, "connection"]);
  session.runUntil(() => session.time.waiting === 0);
  if (expect !== undefined) world.check(expect, [...at, "expect"], undefined, before);
}

function runStep(world: CaseWorld, step: Step, at: Place): void {
  if (step.request !== undefined) return runExchange(world, step, at, "leave");
  const before = world.mark();
  world.callouts.announce(step.callouts, [...at, "callouts"]);
  doStep(world, step, at);
  if (step.expect !== undefined) world.check(step.expect, [...at, "expect"], undefined, before);
}

/** Runs one exchange to its end; `drain` waits for everything that is still planned, too. */
function runExchange(world: CaseWorld, spec: Exchange, at: Place, after: "drain" | "leave"): void {
  const { session } = world;
  const before = world.mark();
  world.callouts.announce(spec.callouts, [...at, "callouts"]);
  const exchange = world.open(spec);
  exchange.begin();
  const end = session.runUntil(() => exchange.ended && (after === "leave" || session.time.waiting === 0));
  exchange.forget();
  noteHang(world, exchange, { at, end, name: "the stream" });
  if (spec.expect !== undefined) world.check(spec.expect, [...at, "expect"], exchange, before);
}

function runStreams(world: CaseWorld, streams: readonly Stream[], at: Place): void {
  const { session } = world;
  const before = world.mark();
  const all = streams.map((stream, place) => {
    const here = [...at, "streams", place];
    world.callouts.announce(stream.callouts, [...here, "callouts"]);
    const exchange = world.open(stream);
    session.time.after(nanoseconds(stream.at), () => exchange.begin());
    return { stream, exchange, here, name: stream.name ?? `stream ${place + 1}` };
  });
  const end = session.runUntil(() => all.every(({ exchange }) => exchange.ended) && session.time.waiting === 0);
  for (const { stream, exchange, here, name } of all) {
    exchange.forget();
    noteHang(world, exchange, { at: here, end, name });
    if (stream.expect !== undefined) world.check(stream.expect, [...here, "expect"], exchange, before);
  }
}

interface Waited {
  readonly at: Place;
  readonly end: RunEnd;
  readonly name: string;
}

function noteHang({ checks, session }: CaseWorld, exchange: LiveExchange, { at, end, name }: Waited): void {
  if (exchange.ended) return;
  const places = exchange.pausedIn.join(" and ");
  const left =
    end === "ticking"
      ? `though its timer ticked 1000 times (${formatNanoseconds(session.time.elapsed)})`
      : "and no chunk, callout or timer is left";
  const message =
    places === "" ? `${name} did not end, ${left}` : `${name} was never resumed: it stands still in ${places}, ${left}`;
  checks.fail(at, message);
}

/** A trap fails a test, and so does a call this host has not; any other report when warnings are to. */
function checkReports({ session, checks, planned, at, trapExpected }: CaseWorld): void {
  lintLog(session);
  const expected = new Set(planned.test.expect?.warnings ?? []);
  const fails = (code: ReportCode): boolean =>
    code === "trap" ? !trapExpected : !expected.has(code) && (planned.strict || code === "unsupported-call");
  for (const { code, message } of session.reports) {
    if (fails(code)) checks.fail(at, code === "trap" ? `the filter trapped: ${message}` : `${code}: ${message}`);
  }
}

/** Some SDKs catch a panic and only log it. */
function lintLog({ logs, reports }: Session): void {
  const line = logs.find(({ text, source }) => source !== "host" && PANIC.test(text));
  if (line === undefined || reports.some(({ code }) => code === "trap" || code === "panic-in-log")) return;
  reports.push({
    code: "panic-in-log",
    severity: "warning",
    message: `the log holds what looks like a panic: ${line.text.split("\n", 1)[0] ?? ""}`,
    plugin: line.plugin?.name,
    contextId: line.contextId,
    callback: undefined,
  });
}

const PANIC = /\bpanicked at\b|^panic: |\bgoroutine \d+ \[running\]|^abort: /u;
