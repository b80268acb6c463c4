import { randomFillSync } from "node:crypto";
import type { HostModule } from "../../../src/host/host-module.ts";
import { Host } from "../../../src/host/host.ts";
import { loadModule } from "../../../src/host/load-module.ts";
import { nodeForeignFunctions } from "../../../src/isolate/foreign-functions.ts";
import { http1Upstream } from "../../../src/sandbox/run/http1-upstream.ts";
import { http2Upstream } from "../../../src/sandbox/run/http2-upstream.ts";
import { fixture } from "../../components/wasm-fixtures.ts";
import { startTestProxy } from "../../support/run-proxy.ts";
import { send } from "../envoy/client.ts";
import { startUpstream } from "../envoy/upstream.ts";
import { messageLines } from "../exchange-lines.ts";
import { type LogRecord, scenarioLog } from "../log-lines.ts";
import { filtersOf, isScripted, type Observation, type Scenario } from "../scenario.ts";
import { calloutPort } from "./callout-port.ts";
import { recordOf, startPlugin } from "./drive-host.ts";

/** Runs a scenario of HTTP through the proxy of `wasme run` over real sockets. Only within a test, which ends the proxy. */
export async function driveRun(scenario: Scenario): Promise<Observation> {
  const modules = new Map<string, HostModule>();
  for (const { module } of filtersOf(scenario)) modules.set(module, loadModule(await fixture(module)));
  const records: LogRecord[] = [];
  const after = (milliseconds: number, action: () => void): void => {
    setTimeout(() => {
      action();
      host.settle();
    }, milliseconds);
  };
  const host: Host = new Host({
    environment: {
      clock: {
        now: () => process.hrtime.bigint() + 1_750_000_000_000_000_000n,
        monotonic: () => process.hrtime.bigint(),
      },
      random: (target) => void randomFillSync(target),
      log: (entry) => {
        if (entry.source !== "host") records.push(recordOf(entry));
      },
      callouts: calloutPort({ after }),
      foreign: nodeForeignFunctions(),
    },
  });
  const filters = filtersOf(scenario).map((filter) => startPlugin(host, modules.get(filter.module), scenario, filter));
  const spec = scenario.upstream === "direct" ? {} : (scenario.upstream ?? {});
  const server = await startUpstream(spec);
  const http2 = spec.protocol === "http2";
  const url = new URL(`${http2 ? "h2c" : "http"}://127.0.0.1:${server.port}`);
  const upstream = (http2 ? http2Upstream : http1Upstream)({ url, rewrite: false });
  const { port } = await startTestProxy({ filters, upstream });
  const client: string[] = [];
  for (const [index, request] of scenario.requests.entries()) {
    client.push(...messageLines(`answer ${index + 1}`, await send(port, request)));
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  await new Promise((resolve) => setTimeout(resolve, 150 + (scenario.afterMs ?? 0)));
  host.stop();
  const seen = server.seen().flatMap((request, at) => messageLines(`request ${at + 1}`, request));
  upstream.close();
  server.close();
  return { client, upstream: seen, log: scenarioLog(records, scenario.name, isScripted(scenario)), metrics: [] };
}
