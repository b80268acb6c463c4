import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type RunningEnvoy, startEnvoy } from "../../components/envoy.ts";
import { rawRequest } from "../../components/raw-http.ts";
import { tail } from "../../components/run.ts";
import { fixture } from "../../components/wasm-fixtures.ts";
import { messageLines } from "../exchange-lines.ts";
import { parseEnvoyLog, scenarioLog } from "../log-lines.ts";
import { BACKGROUND_MS, filtersOf, isScripted, type Observation, type Scenario } from "../scenario.ts";
import { bootstrapOf } from "./bootstrap.ts";
import { startCalloutServer } from "./callout-server.ts";
import { send, sendTcp } from "./client.ts";
import { startTcpUpstream } from "./tcp-upstream.ts";
import { startUpstream, type Upstream, unusedPort } from "./upstream.ts";

/** Envoy ended in the middle of the scenarios. */
export class EnvoyDied extends Error {
  constructor(exit: number | string, log: string) {
    super(`Envoy died (${exit})\n${tail(log, 60)}`);
    this.name = "EnvoyDied";
  }
}

/** Runs all scenarios in one Envoy, side by side; what was seen, by scenario. */
export async function driveEnvoy(scenarios: readonly Scenario[]): Promise<Map<string, Observation>> {
  const folder = await mkdtemp(join(tmpdir(), "wasme-differential-"));
  const stops: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true })];
  try {
    const modules = new Set(scenarios.flatMap((scenario) => filtersOf(scenario).map(({ module }) => module)));
    for (const module of modules) await writeFile(join(folder, `${module}.wasm`), await fixture(module));
    const callout = await startCalloutServer();
    stops.unshift(() => callout.close());
    const upstreams = new Map<string, Upstream>();
    for (const scenario of scenarios) upstreams.set(scenario.name, await upstreamOf(scenario));
    stops.unshift(() => {
      for (const upstream of upstreams.values()) upstream.close();
    });
    const config = bootstrapOf(
      scenarios.map((scenario) => [scenario, { upstream: upstreams.get(scenario.name)?.port ?? 0 }]),
      { callout: callout.port, refused: await unusedPort() },
    );
    const envoy = await startEnvoy({ config, directory: folder, componentLogLevel: "wasm:trace" });
    stops.unshift(() => envoy.stop());
    const { clients, metrics } = await useEnvoy(envoy, scenarios).catch((error: unknown) => died(envoy, error));
    const records = parseEnvoyLog(envoy.log());
    return new Map(
      scenarios.map((scenario, index): [string, Observation] => [
        scenario.name,
        {
          client: clients[index] ?? [],
          upstream: (upstreams.get(scenario.name)?.seen() ?? []).flatMap((seen, at) =>
            messageLines(`request ${at + 1}`, seen),
          ),
          log: scenarioLog(records, scenario.name, isScripted(scenario)),
          metrics: metrics.filter((line) => line.startsWith(`${scenario.name}.`)),
        },
      ]),
    );
  } finally {
    for (const stop of stops) await stop();
  }
}

function upstreamOf({ upstream = {}, tcp }: Scenario): Promise<Upstream> {
  if (tcp !== undefined) return startTcpUpstream(tcp);
  return startUpstream(upstream === "direct" ? {} : upstream);
}

async function driveScenario(envoy: RunningEnvoy, scenario: Scenario): Promise<string[]> {
  const port = Number(new URL(await envoy.listenerUrl(scenario.name)).port);
  const lines: string[] = [];
  const background: Promise<string[]>[] = [];
  await sleep(scenario.beforeMs ?? 0);
  for (const [index, spec] of scenario.requests.entries()) {
    const answer = send(port, spec).then((seen) => messageLines(`answer ${index + 1}`, seen));
    if (spec.background === true) background.push(answer);
    else lines.push(...(await answer));
    await sleep(spec.background === true ? BACKGROUND_MS : GAP_AFTER_MS);
  }
  for (const answer of await Promise.all(background)) lines.push(...answer);
  for (const [index, spec] of (scenario.tcp ?? []).entries()) {
    lines.push(...messageLines(`connection ${index + 1}`, await sendTcp(port, spec)));
    await sleep(GAP_AFTER_MS);
  }
  await sleep(scenario.afterMs ?? 0);
  return lines;
}

interface Outcome {
  readonly clients: readonly string[][];
  readonly metrics: readonly string[];
}

/** Runs the scenarios, waits until Envoy has no more to say, and ends it. */
async function useEnvoy(envoy: RunningEnvoy, scenarios: readonly Scenario[]): Promise<Outcome> {
  // Not all at once: what takes its turn is seen in its turn.
  const start = async (scenario: Scenario, index: number): Promise<string[]> => {
    await sleep(index * STAGGER_MS);
    return driveScenario(envoy, scenario);
  };
  const clients = await Promise.all(scenarios.map(start));
  await quiet(envoy);
  const metrics = await customMetrics(envoy);
  // It may end before it answers.
  void rawRequest({ url: `${envoy.adminUrl}/quitquitquit`, method: "POST" }).catch(() => undefined);
  await envoy.ended();
  return { clients, metrics };
}

/** Why clients cannot reach Envoy any more. */
async function died(envoy: RunningEnvoy, error: unknown): Promise<never> {
  await sleep(200);
  const exit = envoy.exit();
  throw exit === undefined ? error : new EnvoyDied(exit, envoy.log());
}

/** Time from the start of one scenario to the next one's. */
const STAGGER_MS = 15;

/** Time for a stream to be logged and deleted before the next one begins. */
const GAP_AFTER_MS = 30;

/** Waits until Envoy has had nothing to say for a while. */
async function quiet(envoy: RunningEnvoy): Promise<void> {
  for (let size = -1; size !== envoy.log().length;) {
    size = envoy.log().length;
    await sleep(150);
  }
}

async function customMetrics(envoy: RunningEnvoy): Promise<string[]> {
  const { text } = await rawRequest({ url: `${envoy.adminUrl}/stats?filter=wasmcustom` });
  return text
    .split("\n")
    .filter((line) => line.startsWith("wasmcustom."))
    .map((line) => line.slice("wasmcustom.".length).replace(/: P0.*|: No recorded values/, ": histogram"))
    .toSorted();
}
