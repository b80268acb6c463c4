import { WasmeError } from "../../domain/errors.ts";
import type { LogEntry } from "../../host/environment.ts";
import type { HostReport } from "../../host/host-report.ts";
import type { TraceEvent } from "../../host/trace.ts";
import type { Failure } from "./case-result.ts";
import { checkExpectation } from "./check-expectation.ts";
import { Checks } from "./checks.ts";
import { runConnection } from "./drive-connection.ts";
import { runPhases } from "./drive-phases.ts";
import { seedHost, startTime, streamInfo } from "./given.ts";
import { LiveExchange } from "./live-exchange.ts";
import { quote, type ReadBytes } from "./matchers.ts";
import type { Expectation } from "./model-expect.ts";
import type { Exchange, Step } from "./model.ts";
import type { PlannedCase } from "./planned-case.ts";
import type { CaseSetting } from "./run-case.ts";
import { ScriptedCallouts } from "./scripted-callouts.ts";
import { type RunEnd, Session } from "./session.ts";
import type { Place } from "./shape.ts";
import { startFilters } from "./start-filters.ts";
import { doStep } from "./do-step.ts";
import { fileReader, formatNanoseconds, nanoseconds } from "./values.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What came of one run of a case. */
export interface CaseOutcome {
  /** It could not be run as it is meant. */
  readonly error: boolean;
  readonly failures: readonly Failure[];
  readonly logs: readonly LogEntry[];
  readonly reports: readonly HostReport[];
  readonly trace: readonly TraceEvent[];
  readonly measured?: Readonly<Record<string, number>> | undefined;
}

/** One run of one case, in a host of its own. */
export class CaseRun {
  readonly planned: PlannedCase;
  readonly setting: CaseSetting;
  readonly session: Session;
  readonly checks: Checks;
  readonly callouts: ScriptedCallouts;
  readonly readBytes: ReadBytes;
  /** Of the first filter: whose shared data and queues are meant. */
  readonly vmId: string;
  readonly at: Place;
  #trapExpected = false;

  constructor(planned: PlannedCase, setting: CaseSetting, trace: boolean) {
    this.planned = planned;
    this.setting = setting;
    this.readBytes = fileReader(planned.folder);
    this.checks = new Checks(this.readBytes);
    this.vmId = planned.filters[0]?.settings.vmId ?? "";
    this.at = ["tests", planned.index];
    const { test, given, profile } = planned;
    let callouts: ScriptedCallouts | undefined;
    this.session = new Session({
      profile,
      workers: test.workers ?? 1,
      start: startTime(given),
      seed: given.seed ?? 1,
      trace,
      heartbeat: setting.heartbeat,
      live: setting.live,
      callouts: (time) => (callouts = this.#script(time)),
    });
    this.callouts = callouts ?? this.#script(this.session.time);
  }

  #script(time: VirtualTime): ScriptedCallouts {
    return new ScriptedCallouts({ time, checks: this.checks, readBytes: this.readBytes, at: this.at });
  }

  async run(): Promise<CaseOutcome> {
    const { session, checks, planned } = this;
    let error = false;
    let measured: CaseOutcome["measured"];
    try {
      seedHost(session, planned.given, this.vmId, this.readBytes);
      // Filters may call out while they start.
      this.callouts.announce(planned.test.callouts, [...this.at, "callouts"]);
      const started = startFilters(this);
      error = started === "error";
      if (started === "started") {
        this.#runTest();
        this.callouts.finish();
        this.#checkReports();
      }
    } catch (thrown) {
      if (!(thrown instanceof WasmeError)) throw thrown;
      checks.fail(this.at, thrown.message);
      error = true;
    }
    const { logs, reports, trace } = session;
    return { error, failures: checks.failures, logs, reports, trace, measured };
  }

  #runTest(): void {
    const { test } = this.planned;
    const { session, at } = this;
    const before = this.mark();
    if (test.steps !== undefined) {
      for (const [place, step] of test.steps.entries()) this.#step(step, [...at, "steps", place]);
    } else if (test.streams !== undefined) {
      this.#streams(test.streams, at);
    } else if (test.phases !== undefined) {
      runPhases(this, test.phases, [...at, "phases"]);
    } else if (test.connection !== undefined) {
      runConnection(this, test.connection, [...at, "connection"]);
    } else {
      if (test.request !== undefined) return this.#exchange({ ...test, callouts: [] }, at, "drain");
    }
    session.runUntil(() => session.time.waiting === 0);
    if (test.expect !== undefined) this.check(test.expect, [...at, "expect"], { exchange: undefined, before });
  }

  #step(step: Step, at: Place): void {
    const before = this.mark();
    if (step.request !== undefined) return this.#exchange(step, at, "leave");
    this.callouts.announce(step.callouts, [...at, "callouts"]);
    doStep(this, step, at);
    if (step.expect !== undefined) this.check(step.expect, [...at, "expect"], { exchange: undefined, before });
  }

  #streams(streams: NonNullable<PlannedCase["test"]["streams"]>, at: Place): void {
    const { session } = this;
    const before = this.mark();
    const live = streams.map((stream, place) => {
      this.callouts.announce(stream.callouts, [...at, "streams", place, "callouts"]);
      const exchange = this.open(stream);
      session.time.after(nanoseconds(stream.at), () => exchange.begin());
      return exchange;
    });
    const end = session.runUntil(() => live.every((one) => one.ended) && session.time.waiting === 0);
    for (const [place, exchange] of live.entries()) {
      const stream = streams[place];
      const here = [...at, "streams", place];
      this.#noteHang(exchange, here, end, stream?.name ?? `stream ${place + 1}`);
      if (stream?.expect !== undefined) this.check(stream.expect, [...here, "expect"], { exchange, before });
    }
  }

  /** An exchange that has not begun. */
  open({ request, upstream }: Exchange): LiveExchange {
    const { session, readBytes } = this;
    return new LiveExchange(
      { session, readBytes, info: streamInfo(this.planned.given, readBytes) },
      request,
      upstream ?? this.planned.test.upstream,
    );
  }

  /** Runs one exchange to its end; `drain` waits for everything that is still planned, too. */
  #exchange(spec: Exchange, at: Place, after: "drain" | "leave"): void {
    const { session } = this;
    const before = this.mark();
    this.callouts.announce(spec.callouts, [...at, "callouts"]);
    const exchange = this.open(spec);
    exchange.begin();
    const end = session.runUntil(() => exchange.ended && (after === "leave" || session.time.waiting === 0));
    exchange.forget();
    this.#noteHang(exchange, at, end, "the stream");
    if (spec.expect !== undefined) this.check(spec.expect, [...at, "expect"], { exchange, before });
  }

  /** How much was said so far. */
  mark(): { readonly logs: number; readonly reports: number } {
    return { logs: this.session.logs.length, reports: this.session.reports.length };
  }

  /** Holds an expectation against what came since `before`. */
  check(
    expect: Expectation,
    at: Place,
    came: { readonly exchange: LiveExchange | undefined; readonly before: ReturnType<CaseRun["mark"]> },
  ): void {
    const { session, checks, vmId } = this;
    // What start-up said belongs to the test as a whole, too.
    const whole = at.length === 3;
    const logs = session.logs.slice(whole ? 0 : came.before.logs);
    const reports = session.reports.slice(whole ? 0 : came.before.reports);
    checkExpectation(checks, expect, at, { session, exchange: came.exchange, logs, reports, vmId });
    if (expect.trap !== undefined) this.checkTrap(expect.trap, [...at, "trap"], reports);
  }

  /** `false` means that none is allowed, which is so without it. */
  checkTrap(expect: NonNullable<Expectation["trap"]>, at: Place, reports: readonly HostReport[]): void {
    const trap = reports.find((report) => report.code === "trap");
    if (expect === false || expect === "false") return;
    this.#trapExpected = true;
    if (trap === undefined) this.checks.fail(at, "the filter did not trap", { expected: "a trap", actual: "none" });
    else if (expect !== true && expect !== "true") this.checks.value(at, "trap", expect, trap.message);
  }

  #checkReports(): void {
    const { session, checks, planned, at } = this;
    const expected = new Set(planned.test.expect?.warnings ?? []);
    for (const report of session.reports) {
      if (report.code === "trap") {
        if (!this.#trapExpected) checks.fail(at, `the filter trapped: ${report.message}`);
      } else if (planned.strict && !expected.has(report.code)) {
        checks.fail(at, `${report.code}: ${report.message}`);
      }
    }
  }

  #noteHang(exchange: LiveExchange, at: Place, end: RunEnd, name: string): void {
    if (exchange.ended) return;
    const places = exchange.pausedIn;
    const left =
      end === "ticking"
        ? `though its timer ticked 1000 times (${formatNanoseconds(this.session.time.elapsed)})`
        : "and no chunk, callout or timer is left";
    const message =
      places.length === 0
        ? `${name} did not end, ${left}`
        : `${name} was never resumed: it stands still in ${places.join(" and ")}, ${left}`;
    this.checks.fail(at, message, { expected: "a stream that ends", actual: quote(places.join(", ")) });
  }
}
