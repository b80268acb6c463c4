import { cluster } from "../envoy/bootstrap.ts";
import { Callouts } from "./callouts.ts";
import { type CaseDesk, EnvoyCase } from "./drive-case.ts";
import { rulingOf } from "./left-out.ts";
import { exchangesOf, templateCases } from "./template-cases.ts";
import { startTemplateEnvoy, type TemplateEnvoy } from "./template-envoy.ts";
import type { PlannedCase } from "../../../src/sandbox/test/planned-case.ts";

/** What came of a template's cases in Envoy. */
export interface TemplateOutcome {
  readonly ran: number;
  /** By the case's name. */
  readonly failed: Readonly<Record<string, readonly string[]>>;
}

/** A bucket may be filled again, and a client overtaken, while a busy machine sleeps: what is wrong is so every time. */
const ROUNDS = 3;

/** Runs all cases of a template that Envoy can show, one after the other, in one Envoy with the module. */
export async function runTemplate(template: string, module: Uint8Array): Promise<TemplateOutcome> {
  const cases = (await templateCases(template)).filter((planned) => rulingOf(template, planned).run);
  const callouts = new Callouts();
  let envoy: TemplateEnvoy | undefined;
  try {
    envoy = await startTemplateEnvoy(module);
    await callouts.start([...new Set(cases.flatMap(clustersCalled))]);
    const clusters = new Map([...callouts.ports].map(([name, port]) => [name, cluster(name, port, false)]));
    const desk = { envoy, callouts, clusters };
    let failed: ReadonlyMap<PlannedCase, readonly string[]> = new Map(cases.map((planned) => [planned, []]));
    for (let round = 1; round <= ROUNDS && failed.size > 0; round += 1) {
      failed = await runRound([...failed.keys()], round, desk);
    }
    return {
      ran: cases.length,
      failed: Object.fromEntries([...failed].map(([{ name }, failures]) => [name, failures])),
    };
  } finally {
    callouts.close();
    await envoy?.stop();
  }
}

function clustersCalled({ test }: PlannedCase): readonly string[] {
  return exchangesOf(test).flatMap(({ callouts = [] }) => callouts.map(({ to }) => to));
}

async function runRound(
  cases: readonly PlannedCase[],
  round: number,
  desk: CaseDesk,
): Promise<ReadonlyMap<PlannedCase, readonly string[]>> {
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
