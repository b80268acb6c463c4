import { parseFilterDeployment } from "../domain/filter-deployment.ts";
import { applyPlan } from "../deploy/apply-plan.ts";
import { planUndeploy } from "../deploy/plan-undeploy.ts";
import type { ObjectRef } from "../kube/port.ts";
import { ownerOf, PATIENCE_MS } from "./desired.ts";
import { ownSteps } from "./own-steps.ts";
import type { Work } from "./work.ts";

/**
 * Takes away what was made for the FilterDeployment, but for `keep`, with what it needed: the mounts of its workloads,
 * its modules' entries in the node cache. Goes on where an earlier run stopped.
 */
export async function removeAllBut(work: Work, keep: readonly ObjectRef[]): Promise<void> {
  const { cluster, deps, live, namespace } = work;
  const { spec } = parseFilterDeployment(live);
  const request = {
    id: spec?.id ?? live.metadata.name,
    // What is on these workloads although no object tells of it: of others the sweep knows.
    workloads: {
      kind: spec?.kind ?? "Deployment",
      namespace,
      labels: spec?.labels ?? {},
      ...(spec ? {} : { names: [] }),
    },
    dryRun: undefined,
    wait: false,
    timeoutMs: PATIENCE_MS,
    cache: deps.settings.cache,
    owner: ownerOf(live),
    keep,
  } as const;
  const plan = await planUndeploy(cluster, request);
  for (const { message } of plan.warnings) cluster.events({ type: "warning", message });
  await applyPlan(cluster, { steps: ownSteps(work, plan.steps) }, { force: true, waits: "stop" });
}
