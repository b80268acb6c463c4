import { WasmeError } from "../domain/errors.ts";
import { type Workload, workloadTitle } from "../domain/workload.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import { FILTER_DEPLOYMENT_LABEL, FILTER_LABEL, workloadLabel } from "../mesh/names.ts";
import { isFor, isOurs } from "./our-objects.ts";
import { refTitle, refTo } from "./plan.ts";
import type { DeployRequest, Owner, Via } from "./request.ts";
import type { FoundObject } from "./settle-objects.ts";
import { VIA_KIND } from "./via-kind.ts";

/**
 * Refuses to write over our object of another filter or workload: `<workload>-<id>` is the same for a Deployment and a
 * StatefulSet of one name, and for `a` + `b-c` and `a-b` + `c`. Throws `FILTER_NAME_TAKEN` (usage), or
 * `FILTER_MANAGED` (usage) for an object that a FilterDeployment keeps, or `OBJECT_NOT_READY` (failed) for one that is being
 * deleted. To be asked before a write is tried, which would be refused for what the keeper owns of it.
 */
export function refuseTaken(
  objects: readonly Pick<FoundObject, "before">[],
  workloads: readonly Workload[],
  { id, owner, via }: Pick<DeployRequest, "id" | "owner"> & { readonly via: Via },
): void {
  for (const [i, { before }] of objects.entries()) {
    const workload = workloads[i];
    if (before === undefined || workload === undefined || !isOurs(before)) continue;
    const ref = refTo(VIA_KIND[via], before);
    if (before.metadata.labels?.[FILTER_LABEL] === id && isFor(before, workload)) {
      refuseManaged(before, owner);
      if (owner === undefined) refuseGoing(before, ref);
      continue;
    }
    const message = `${refTitle(ref)} is there for another filter or workload than ${id} on ${workloadTitle(workload)}`;
    throw new WasmeError("usage", "FILTER_NAME_TAKEN", message, { hint: "choose another --id" });
  }
}

/** An object that is being deleted takes every change, and is gone soon after: the filter would be deployed and missing. */
function refuseGoing({ metadata }: KubeObject, ref: ObjectRef): void {
  if (metadata.deletionTimestamp === undefined) return;
  const { kind, name, namespace = "" } = ref;
  throw new WasmeError("failed", "OBJECT_NOT_READY", `${refTitle(ref)} is being deleted`, {
    hint: `run the same command again when it is gone; a finalizer may hold it: kubectl get ${kind.plural}.${kind.group} ${name} -n ${namespace} -o yaml`,
  });
}

/** Refuses an object that a FilterDeployment keeps, other than `owner`: what is changed there would come back at once. */
export function refuseManaged(
  object: KubeObject,
  owner: Owner | undefined,
  what: "changes" | "goes" = "changes",
): void {
  const keeper = object.metadata.labels?.[FILTER_DEPLOYMENT_LABEL];
  if (keeper === undefined || (owner !== undefined && workloadLabel(owner.name) === keeper)) return;
  const { name, namespace = "" } = object.metadata;
  const message = `${object.kind} ${namespace}/${name} is kept by FilterDeployment ${namespace}/${keeper}`;
  const that = `filterdeployments.wasme.io ${keeper} -n ${namespace}`;
  const hints = {
    changes: `change that: kubectl edit ${that}; or choose another --id`,
    goes: `its filter goes with it: kubectl delete ${that}`,
  };
  throw new WasmeError("usage", "FILTER_MANAGED", message, { hint: hints[what] });
}
