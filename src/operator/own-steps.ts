import { WasmeError } from "../domain/errors.ts";
import type { Step } from "../deploy/plan.ts";
import { FILTER_KINDS } from "./cluster-view.ts";
import type { CacheLocation } from "./settings.ts";

/**
 * The steps without those that make, change or delete the node cache itself: it is installed apart, by who may, and stays
 * when it is empty. Throws `CACHE_NOT_INSTALLED` (incompatible) when the plan would make it.
 */
export function ownSteps(steps: readonly Step[], cache: CacheLocation | undefined): readonly Step[] {
  if (steps.some((step) => isForeign(step) && step.action === "create")) {
    const where =
      cache === undefined
        ? "the operator runs without a node cache"
        : `the node cache ${cache.namespace}/${cache.name} is not installed`;
    throw new WasmeError("incompatible", "CACHE_NOT_INSTALLED", where, {
      hint: "wasme cache manifests | kubectl apply -f -; or write spec.deployment.istio.delivery: registry",
    });
  }
  return steps
    .filter((step) => !isForeign(step))
    .map((step): Step => (step.type === "release" ? { ...step, withCache: false } : step));
}

/** An object applied or deleted that carries no filter: one of the cache's. */
function isForeign(step: Step): step is Extract<Step, { readonly type: "apply" | "delete" }> {
  return (step.type === "apply" || step.type === "delete") && !FILTER_KINDS.includes(step.ref.kind);
}
