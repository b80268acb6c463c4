import { isObject } from "../domain/json.ts";
import { Kinds } from "../kube/kinds.ts";
import { at, type KubeObject, listAt } from "../kube/objects.ts";
import { filterDeploymentCrd } from "../mesh/filter-deployment-crd.ts";
import type { Plan } from "./plan.ts";
import { writeAccess } from "./plan-cache.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined, missingAccess } from "./require-access.ts";
import { settleApply } from "./settle-change.ts";

/**
 * Today's definition of FilterDeployment in place of the old one, which had no schema. It takes every object the old
 * one could hold. Nothing where there is none, or a newer one; a note where we may not write it.
 */
export async function planDefinition(deps: ClusterDeps): Promise<Pick<Plan, "steps" | "notes">> {
  const kind = Kinds.customResourceDefinition;
  const ref = { kind, name: filterDeploymentCrd.metadata.name };
  const live = await deniedAsUndefined(deps.port.get(ref, deps.signal));
  if (live === undefined || hasSchema(live)) return { steps: [], notes: [] };
  const missing = await missingAccess(deps, writeAccess(kind, filterDeploymentCrd));
  if (missing.length > 0) {
    return { steps: [], notes: [`FilterDeployment still has its old definition, which we may not change: ${HOW}`] };
  }
  const reason = "gives FilterDeployment a schema; every old object stays valid";
  const change = await settleApply(deps, { kind, object: filterDeploymentCrd, reason, force: true });
  return { steps: [{ ...change, force: true }], notes: [] };
}

const HOW = "wasme operator manifests | kubectl apply --server-side --force-conflicts -f -";

function hasSchema(live: KubeObject): boolean {
  return listAt(live, "spec", "versions").some((version) => {
    return isObject(at(version, "schema", "openAPIV3Schema", "properties", "spec"));
  });
}
