import type { Step } from "../deploy/plan.ts";
import { keyOf } from "../controller/object-store.ts";
import { FILTER_KINDS } from "./cluster-view.ts";
import type { Work } from "./work.ts";

/**
 * The steps without those that delete the node cache itself: it was installed apart, by who may, and stays when it is
 * empty. Nor do entries go that another FilterDeployment, in work at this moment, is about to need.
 */
export function ownSteps(
  { deps, live }: Pick<Work, "deps"> & Partial<Pick<Work, "live">>,
  steps: readonly Step[],
): readonly Step[] {
  const own = live === undefined ? undefined : keyOf(live);
  const needed = new Set([...deps.announced].flatMap(([who, key]) => (who === own ? [] : [key])));
  return steps
    .filter((step) => !isForeign(step) && !(isRelease(step) && needed.has(step.key)))
    .map((step): Step => (step.type === "release" ? { ...step, withCache: false } : step));
}

/** What takes an entry of the list away, or its credentials. */
function isRelease(step: Step): step is Extract<Step, { readonly key: string }> {
  return step.type === "mark" || step.type === "release" || (step.type === "secret" && step.value === null);
}

/** An object applied or deleted that carries no filter: one of the cache's. */
function isForeign(step: Step): step is Extract<Step, { readonly type: "apply" | "delete" }> {
  return (step.type === "apply" || step.type === "delete") && !FILTER_KINDS.includes(step.ref.kind);
}
