import type { LogEntry } from "../../../src/host/environment.ts";
import type { HostModule } from "../../../src/host/host-module.ts";
import type { HostReport, ReportSink } from "../../../src/host/host-report.ts";
import { Host, type Plugin } from "../../../src/host/host.ts";
import { loadModule } from "../../../src/host/load-module.ts";
import { pluginConfig } from "../../../src/host/plugin-config.ts";
import { nodeForeignFunctions } from "../../../src/isolate/foreign-functions.ts";
import { fixture } from "../../components/wasm-fixtures.ts";
import { messageLines, type SeenMessage } from "../exchange-lines.ts";
import { type LogRecord, scenarioLog } from "../log-lines.ts";
import {
  BACKGROUND_MS,
  filtersOf,
  isScripted,
  type NamedFilter,
  type Observation,
  type Scenario,
  vmIdOf,
} from "../scenario.ts";
import { calloutPort } from "./callout-port.ts";
import { sendVirtual } from "./http-client.ts";
import { Simulation } from "./simulation.ts";
import { connectVirtual } from "./tcp-client.ts";

/** Runs a scenario in the embedded host, in virtual time; what it reports is added to `reports`. */
export async function driveHost(scenario: Scenario, reports: HostReport[] = []): Promise<Observation> {
  const modules = new Map<string, HostModule>();
  for (const { module } of filtersOf(scenario)) modules.set(module, loadModule(await fixture(module)));
  const simulation = new Simulation();
  const records: LogRecord[] = [];
  const host = new Host({
    environment: {
      clock: simulation.clock,
      random: (target) => void target.fill(7),
      log: (entry) => {
        if (entry.source !== "host") records.push(recordOf(entry));
      },
      callouts: calloutPort(simulation),
      foreign: nodeForeignFunctions(),
      report: (report) => void reports.push(report),
    },
  });
  const plugins = filtersOf(scenario).map((filter) => startPlugin(host, modules.get(filter.module), scenario, filter));
  const seen = runRequests({ scenario, simulation, plugins, report: (told) => void reports.push(told) });
  simulation.run(
    () => host.settle(),
    () => host.nextDue(),
  );
  for (const close of seen.leftOpen) close();
  host.stop();
  host.settle();
  return {
    client: [...seen.client, ...seen.background],
    upstream: seen.upstream.flatMap((request, at) => messageLines(`request ${at + 1}`, request)),
    log: scenarioLog(records, scenario.name, isScripted(scenario)),
    metrics: metricLines(host, scenario.name),
  };
}

interface Running {
  readonly scenario: Scenario;
  readonly simulation: Simulation;
  readonly plugins: readonly Plugin[];
  readonly report: ReportSink;
}

/** What the clients and the upstream see, filled while the simulation runs. */
interface Seen {
  readonly client: string[];
  readonly background: string[];
  readonly upstream: SeenMessage[];
  readonly leftOpen: (() => void)[];
}

/** Schedules the first request or connection; each one schedules the next. */
function runRequests({ scenario, simulation, plugins, report }: Running): Seen {
  const seen: Seen = { client: [], background: [], upstream: [], leftOpen: [] };
  const upstreamSaw = (request: SeenMessage): void => void seen.upstream.push(request);
  const setting = {
    report,
    scenario,
    simulation,
    filters: plugins,
    upstreamSaw,
    cluster: scenario.name,
    leftOpen: seen.leftOpen,
  };
  const next = (index: number): void => {
    const request = scenario.requests[index];
    const connection = scenario.tcp?.[index];
    const finished = (title: string, answer: SeenMessage): void => {
      if (request?.background === true) return void seen.background.push(...messageLines(title, answer));
      seen.client.push(...messageLines(title, answer));
      simulation.after(GAP_AFTER_MS, () => next(index + 1));
    };
    if (request !== undefined) sendVirtual(setting, request, (answer) => finished(`answer ${index + 1}`, answer));
    else if (connection === undefined) simulation.after(scenario.afterMs ?? 0, () => undefined);
    else connectVirtual(setting, connection, (answer) => finished(`connection ${index + 1}`, answer));
    if (request?.background === true) simulation.after(BACKGROUND_MS, () => next(index + 1));
  };
  simulation.after(scenario.beforeMs ?? 0, () => next(0));
  return seen;
}

const GAP_AFTER_MS = 30;

/** Starts a filter of a scenario. */
export function startPlugin(
  host: Host,
  module: HostModule | undefined,
  scenario: Scenario,
  filter: NamedFilter,
): Plugin {
  if (module === undefined) throw new Error(`no module for ${filter.module}`);
  const { environment, allowedCapabilities } = filter;
  const config = pluginConfig({
    name: filter.name,
    rootId: filter.rootId,
    configuration: filter.script,
    vmId: vmIdOf(scenario, filter),
    vmConfiguration: filter.vmConfiguration,
    environment: environment === undefined ? undefined : new Map(Object.entries(environment)),
    // An empty list restricts nothing in Envoy.
    allowedCapabilities: (allowedCapabilities?.length ?? 0) === 0 ? undefined : new Set(allowedCapabilities),
    failurePolicy: filter.failurePolicy,
    allowOnHeadersStopIteration: filter.allowOnHeadersStopIteration,
  });
  const started = host.start(module, config);
  if (!started.started) throw new Error(`${scenario.name}: ${started.reason}: ${started.message}`);
  return started.plugin;
}

/** A line of the host's log as Envoy writes it. */
export function recordOf({ level, text, plugin, stream }: LogEntry): LogRecord {
  const words = plugin === undefined ? [] : [stream ? plugin.name : "", plugin.rootId, plugin.vmId];
  const prefix = ["wasm log", ...words.filter((word) => word !== "")].join(" ");
  return { level: level === "warn" ? "warning" : level, text: `${prefix}: ${text}` };
}

function metricLines(host: Host, scenario: string): string[] {
  return host.metrics
    .list()
    .filter(({ name }) => name.startsWith(`${scenario}.`))
    .map(({ name, type, value }) => `${name}: ${type === "histogram" ? "histogram" : value}`)
    .toSorted();
}
