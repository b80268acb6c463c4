import { type EventSink, ignoreEvents } from "../domain/events.ts";
import { checkFilterId } from "../mesh/names.ts";
import { type ApplyOptions, applyPlan } from "./apply-plan.ts";
import { cacheOptions } from "./cache-options.ts";
import { expectedOutcomes, type ObjectOutcome } from "./outcomes.ts";
import { planUndeploy, type UndeployPlan } from "./plan-undeploy.ts";
import { planDiff, planLines } from "./render-plan.ts";
import type { DeployDeps, UndeployRequest } from "./request.ts";

/** What an undeploy did, or would do. */
export interface UndeployResult {
  readonly mode: "applied" | "dry-run-server";
  readonly id: string;
  readonly namespace: string;
  readonly outcomes: readonly ObjectOutcome[];
  /** Unified diff of what would change (`dry-run-server`). */
  readonly diff: string;
}

/**
 * Takes a filter out of Istio again: removes only what deploying this id made, and gives users' annotations back as
 * they were. Throws `FILTER_NOT_DEPLOYED` (not-found) when there is nothing of it.
 */
export async function undeployIstio(
  deps: Pick<DeployDeps, "connect" | "clock" | "signal" | "cacheRestMs">,
  request: UndeployRequest,
  events: EventSink = ignoreEvents,
): Promise<UndeployResult> {
  checkFilterId(request.id);
  const port = await deps.connect();
  try {
    const { clock, signal, cacheRestMs } = deps;
    const cluster = { port, clock, events, signal, cacheRestMs };
    const plan = await planUndeploy(cluster, request);
    for (const message of planLines(plan)) events({ type: "milestone", message });
    const base = { id: request.id, namespace: plan.namespace };
    if (request.dryRun === "server") {
      return { ...base, mode: "dry-run-server", outcomes: expectedOutcomes(plan), diff: await planDiff(plan) };
    }
    const { outcomes } = await applyPlan(cluster, plan, { force: false, waits: "block", ...elsewhere(plan, request) });
    return { ...base, mode: "applied", outcomes, diff: "" };
  } finally {
    port.close();
  }
}

/** Once the objects are gone, nothing but the command tells which node cache they used. */
function elsewhere({ steps }: UndeployPlan, { cache }: UndeployRequest): Pick<ApplyOptions, "more"> {
  const lists = steps.flatMap((step) => (step.type === "release" ? [step.ref] : []));
  const other = lists.find(({ namespace, name }) => namespace !== cache?.namespace || name !== cache?.name);
  const options = other && cacheOptions({ namespace: other.namespace ?? "", name: other.name });
  return options === undefined || options === "" ? {} : { more: ` with${options}` };
}
