import type { LogEntry } from "../../host/environment.ts";
import type { HostReport } from "../../host/host-report.ts";
import type { TraceEvent } from "../../host/trace.ts";
import { checkExpectation } from "./check-expectation.ts";
import { Checks } from "./checks.ts";
import { startTime, streamInfo } from "./given.ts";
import { LiveExchange } from "./live-exchange.ts";
import type { ReadBytes } from "./matchers.ts";
import type { Expectation } from "./model-expect.ts";
import type { Exchange } from "./model.ts";
import type { ModuleCache } from "./module-cache.ts";
import type { PlannedCase } from "./planned-case.ts";
import { ScriptedCallouts } from "./scripted-callouts.ts";
import { Session } from "./session.ts";
import type { Place } from "./shape.ts";
import { fileReader } from "./values.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What running cases needs. */
export interface CaseSetting {
  readonly modules: ModuleCache;
  readonly heartbeat?: Int32Array | undefined;
  /** Told of everything at once, for a case that is not expected to return. */
  readonly live?: ((event: { readonly log: LogEntry } | { readonly trace: TraceEvent }) => void) | undefined;
}

/** How much was said at some moment. */
export interface Mark {
  readonly logs: number;
  readonly reports: number;
}

/** One run of one case: a host of its own, and what is held against it. */
export class CaseWorld {
  readonly planned: PlannedCase;
  readonly setting: CaseSetting;
  readonly session: Session;
  readonly checks: Checks;
  readonly callouts: ScriptedCallouts;
  readonly readBytes: ReadBytes;
  /** Of the first filter: whose shared data and queues are meant. */
  readonly vmId: string;
  /** Place of the test in its file. */
  readonly at: Place;
  /** A trap was asked for: the ones that come are no surprise. */
  trapExpected = false;

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

  /** An exchange that has not begun. */
  open({ request, upstream }: Exchange): LiveExchange {
    const { session, readBytes, planned } = this;
    const info = streamInfo(planned.given, readBytes);
    return new LiveExchange({ session, readBytes, info }, request, upstream ?? planned.test.upstream);
  }

  mark(): Mark {
    return { logs: this.session.logs.length, reports: this.session.reports.length };
  }

  /** Holds an expectation against what came since `before`; what start-up said belongs to the test as a whole, too. */
  check(expect: Expectation, at: Place, exchange: LiveExchange | undefined, before: Mark): void {
    const { session, checks, vmId } = this;
    const whole = at.length === WHOLE_TEST;
    const logs = session.logs.slice(whole ? 0 : before.logs);
    const reports = session.reports.slice(whole ? 0 : before.reports);
    checkExpectation(checks, expect, at, { session, exchange, logs, reports, vmId });
    if (expect.trap !== undefined) this.#checkTrap(expect.trap, [...at, "trap"], reports);
  }

  /** `false` means that none is allowed, which is so without it. */
  #checkTrap(expect: NonNullable<Expectation["trap"]>, at: Place, reports: readonly HostReport[]): void {
    const wanted = typeof expect === "object" ? undefined : String(expect);
    if (wanted === "false") return;
    this.trapExpected = true;
    const trap = reports.find((report) => report.code === "trap");
    if (trap === undefined) this.checks.fail(at, "the filter did not trap", { expected: "a trap", actual: "none" });
    else if (wanted !== "true") this.checks.value(at, "trap", expect, trap.message);
  }
}

/** Length of the place `tests[0].expect`. */
const WHOLE_TEST = 3;
