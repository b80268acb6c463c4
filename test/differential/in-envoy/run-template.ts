import type { PlannedCase } from "../../../src/sandbox/test/planned-case.ts";
import { cluster } from "../envoy/bootstrap.ts";
import { Callouts } from "./callouts.ts";
import { type CaseDesk, EnvoyCase } from "./drive-case.ts";
import { rulingOf } from "./left-out.ts";
import { exchangesOf, templateCases } from "./template-cases.ts";
import { startTemplateEnvoy, type TemplateEnvoy } from "./template-envoy.ts";

/** What came of cases in Envoy. */
export interface CasesOutcome {
  readonly ran: number;
  /** What was wrong every time, by the case's name. */
  readonly failed: Readonly<Record<string, readonly string[]>>;
  /** The same of the first time, for cases that were right later. */
  readonly onlyFirst: Readonly<Record<string, readonly string[]>>;
}

/** How stubborn a run is. */
export interface Stubbornness {
  /** How often a case that fails is run, each time with a listener and a VM of its own. */
  readonly rounds: number;
  /** How long something that must come may take. */
  readonly patienceMs: number;
}

/** A bucket may be filled again, and a client overtaken, while a busy machine sleeps: what is wrong is so every time. */
const STUBBORN: Stubbornness = { rounds: 3, patienceMs: 5000 };

/** Runs all cases of a template that Envoy can show. */
export async function runTemplate(template: string, module: Uint8Array): Promise<CasesOutcome> {
  const cases = (await templateCases(template)).filter((planned) => rulingOf(template, planned).run);
  return await runCases(cases, module);
}

/** Runs cases one after the other, in an Envoy for each number of workers they ask for. */
export async function runCases(
  cases: readonly PlannedCase[],
  module: Uint8Array,
  stubbornness: Stubbornness = STUBBORN,
): Promise<CasesOutcome> {
  const failed: Record<string, readonly string[]> = {};
  const onlyFirst: Record<string, readonly string[]> = {};
  for (const workers of new Set(cases.map(workersOf))) {
    const group = cases.filter((planned) => workersOf(planned) === workers);
    const [first, last] = await runRounds(group, { module, workers, ...stubbornness });
    for (const [planned, failures] of last) failed[planned.name] = failures;
    for (const [planned, failures] of first) if (!last.has(planned)) onlyFirst[planned.name] = failures;
  }
  return { ran: cases.length, failed, onlyFirst };
}

function workersOf({ test }: PlannedCase): number {
  return test.workers ?? 1;
}

/** What was wrong, by the case. */
type Failed = ReadonlyMap<PlannedCase, readonly string[]>;

interface Setting extends Stubbornness {
  readonly module: Uint8Array;
  readonly workers: number;
}

/** The first and the last round's failures. */
async function runRounds(
  cases: readonly PlannedCase[],
  { module, workers, rounds, patienceMs }: Setting,
): Promise<readonly [Failed, Failed]> {
  const callouts = new Callouts();
  let envoy: TemplateEnvoy | undefined;
  try {
    envoy = await startTemplateEnvoy(module, workers);
    await callouts.start([...new Set(cases.flatMap(clustersCalled))]);
    const clusters = new Map([...callouts.ports].map(([name, port]) => [name, cluster(name, port, false)]));
    const desk = { envoy, callouts, clusters, patienceMs };
    const first = await runRound(cases, 1, desk);
    let last = first;
    for (let round = 2; round <= rounds && last.size > 0; round += 1) {
      last = await runRound([...last.keys()], round, desk);
    }
    const trap = /^.*\bUncaught .*$/m.exec(envoy.output())?.[0];
    if (trap !== undefined) throw new Error(`the filter trapped in Envoy: ${trap}`);
    return [first, last];
  } finally {
    callouts.close();
    await envoy?.stop();
  }
}

function clustersCalled({ test }: PlannedCase): readonly string[] {
  return exchangesOf(test).flatMap(({ callouts = [] }) => callouts.map(({ to }) => to));
}

async function runRound(cases: readonly PlannedCase[], round: number, desk: CaseDesk): Promise<Failed> {
  const all = cases.map((planned) => new EnvoyCase(`case-${planned.index}-${round}`, planned, desk));
  try {
    for (const one of all) await one.prepare();
    await desk.envoy.setClusters([...desk.clusters.values()]);
    await desk.envoy.addListeners(new Map(all.map((one) => [one.name, one.listener()])));
    const failed = new Map<PlannedCase, readonly string[]>();
    for (const one of all) {
      const failures = await one.run();
      if (failures.length > 0) failed.set(one.planned, failures);
    }
    return failed;
  } finally {
    for (const one of all) one.close();
  }
}
