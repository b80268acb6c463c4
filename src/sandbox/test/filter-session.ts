import { textOf } from "../../host/byte-string.ts";
import type { HeaderMap } from "../../host/header-map.ts";
import { type CaseSetting, CaseWorld } from "./case-world.ts";
import { doStep } from "./do-step.ts";
import { seedHost } from "./given.ts";
import type { LiveExchange, SeenMessage } from "./live-exchange.ts";
import type { ExchangeResult, MessageSeen, SessionState } from "./model-result.ts";
import type { Exchange, Step } from "./model.ts";
import type { PlannedCase } from "./planned-case.ts";
import { startFilters } from "./start-filters.ts";

/** What a session answers: what it holds now, or what went wrong in one sentence. */
export type SessionAnswer =
  | { readonly ok: true; readonly state: SessionState; readonly result: ExchangeResult | undefined }
  | { readonly ok: false; readonly state: SessionState; readonly problem: string };

/** Filters that stay open for a program that asks one thing after another. */
export class FilterSession {
  readonly #world: CaseWorld;
  #problems = 0;

  constructor(planned: PlannedCase, setting: CaseSetting) {
    this.#world = new CaseWorld(planned, setting, false);
  }

  /** Loads and starts the filters. */
  async open(): Promise<SessionAnswer> {
    const world = this.#world;
    seedHost(world.session, world.planned.given, world.vmId, world.readBytes);
    world.callouts.announce(world.planned.test.callouts, ["callouts"]);
    await startFilters(world);
    return this.#answer(undefined);
  }

  /** Runs one exchange to its end, or does what the step says. */
  step(step: Step): SessionAnswer {
    const world = this.#world;
    world.callouts.announce(step.callouts, ["callouts"]);
    if (step.request !== undefined) return this.#exchange(step);
    doStep(world, step, []);
    return this.#answer(undefined);
  }

  #exchange(spec: Exchange): SessionAnswer {
    const world = this.#world;
    const before = world.mark();
    const exchange = world.open(spec);
    exchange.begin();
    world.session.runUntil(() => exchange.ended);
    exchange.forget();
    world.callouts.finish();
    if (!exchange.ended) {
      const places = exchange.pausedIn.join(" and ");
      world.checks.fail([], `the stream was never resumed: it stands still${places === "" ? "" : ` in ${places}`}`);
    }
    return this.#answer(resultOf(exchange, world, before));
  }

  #answer(result: ExchangeResult | undefined): SessionAnswer {
    const { checks } = this.#world;
    const state = stateOf(this.#world);
    const fresh = checks.failures.slice(this.#problems);
    this.#problems = checks.failures.length;
    if (fresh.length === 0) return { ok: true, state, result };
    return { ok: false, state, problem: fresh.map(({ message }) => message).join("; ") };
  }
}

function resultOf(
  exchange: LiveExchange,
  { session }: CaseWorld,
  before: { readonly logs: number; readonly reports: number },
): ExchangeResult {
  const { response, upstream, paused } = exchange;
  const status = response.headers?.get(":status");
  const reports = session.reports.slice(before.reports);
  return {
    status: status === undefined ? undefined : Number(status),
    response: messageOf(response),
    upstream: upstream.headers === undefined ? undefined : messageOf(upstream),
    reset: response.reset,
    details: exchange.exchange.info.responseCodeDetails,
    paused,
    logs: session.logs.slice(before.logs).map(({ level, text }) => ({ level, text })),
    warnings: reports.map(({ code, message }) => ({ code, message })),
    trap: reports.find(({ code }) => code === "trap")?.message,
  };
}

function messageOf({ headers, pieces, trailers }: SeenMessage): MessageSeen {
  const bytes = new Uint8Array(Buffer.concat(pieces));
  return { headers: record(headers), bytes, body: new TextDecoder().decode(bytes), trailers: record(trailers) };
}

/** Several values of a name are joined, as HTTP allows. */
function record(map: HeaderMap | undefined): Readonly<Record<string, string>> {
  const names = new Map<string, string>();
  for (const [name, value] of map ?? []) {
    const before = names.get(name);
    names.set(name, before === undefined ? textOf(value) : `${before}, ${textOf(value)}`);
  }
  return Object.fromEntries(names);
}

function stateOf({ session, vmId }: CaseWorld): SessionState {
  const { host, logs, time } = session;
  return {
    logs: logs.map(({ level, text }) => ({ level, text })),
    metrics: Object.fromEntries(
      host.metrics
        .list()
        .map((metric) => [metric.name, metric.type === "histogram" ? metric.count : Number(metric.value)]),
    ),
    shared: Object.fromEntries(
      host.sharedData.list(vmId).map(({ key, value }) => [key, new TextDecoder().decode(value)]),
    ),
    time: new Date(Number(time.now() / 1_000_000n)).toISOString(),
  };
}
