import type { LogEntry } from "../../../src/host/environment.ts";
import type { HostModule } from "../../../src/host/host-module.ts";
import { Host, type Plugin } from "../../../src/host/host.ts";
import { loadModule } from "../../../src/host/load-module.ts";
import { pluginConfig } from "../../../src/host/plugin-config.ts";
import { fixture } from "../../components/wasm-fixtures.ts";
import { messageLines, type SeenMessage } from "../exchange-lines.ts";
import { type LogRecord, scenarioLog } from "../log-lines.ts";
import { filtersOf, type NamedFilter, type Observation, type Scenario } from "../scenario.ts";
import { calloutPort } from "./callout-port.ts";
import { sendVirtual } from "./http-client.ts";
import { Simulation } from "./simulation.ts";

/** Runs a scenario in the embedded host, in virtual time. */
export async function driveHost(scenario: Scenario): Promise<Observation> {
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
    },
  });
  const plugins = filtersOf(scenario).map((filter) => start(host, modules.get(filter.module), scenario, filter));
  const client: string[] = [];
  const upstream: SeenMessage[] = [];
  const setting = {
    scenario,
    simulation,
    filters: plugins,
    upstreamSaw: (seen: SeenMessage) => void upstream.push(seen),
  };
  const next = (index: number): void => {
    const spec = scenario.requests[index];
    if (spec === undefined) {
      simulation.after(scenario.afterMs ?? 0, () => undefined);
      return;
    }
    sendVirtual(setting, spec, (answer) => {
      client.push(...messageLines(`answer ${index + 1}`, answer));
      simulation.after(GAP_AFTER_MS, () => next(index + 1));
    });
  };
  simulation.after(0, () => next(0));
  simulation.run(
    () => host.settle(),
    () => host.nextDue(),
  );
  host.stop();
  host.settle();
  return {
    client,
    upstream: upstream.flatMap((seen, at) => messageLines(`request ${at + 1}`, seen)),
    log: scenarioLog(records, scenario.name),
    metrics: metricLines(host, scenario.name),
  };
}

const GAP_AFTER_MS = 30;

function start(host: Host, module: HostModule | undefined, scenario: Scenario, filter: NamedFilter): Plugin {
  if (module === undefined) throw new Error(`no module for ${filter.module}`);
  const { environment, allowedCapabilities } = filter;
  const config = pluginConfig({
    name: filter.name,
    rootId: filter.rootId,
    configuration: filter.script,
    vmId: scenario.name,
    vmConfiguration: filter.vmConfiguration,
    environment: environment === undefined ? undefined : new Map(Object.entries(environment)),
    allowedCapabilities: allowedCapabilities === undefined ? undefined : new Set(allowedCapabilities),
    failurePolicy: filter.failurePolicy,
    allowOnHeadersStopIteration: filter.allowOnHeadersStopIteration,
  });
  const started = host.start(module, config);
  if (!started.started) throw new Error(`${scenario.name}: ${started.reason}: ${started.message}`);
  return started.plugin;
}

/** A line of the host's log as Envoy writes it. */
function recordOf({ level, text, plugin, stream }: LogEntry): LogRecord {
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
