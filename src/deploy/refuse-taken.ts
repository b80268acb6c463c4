import { WasmeError } from "../domain/errors.ts";
import { type Workload, workloadTitle } from "../domain/workload.ts";
import { FILTER_LABEL, MANAGED_BY, MANAGED_BY_LABEL } from "../mesh/names.ts";
import { isFor } from "./our-objects.ts";
import { type ApplyChange, refTitle } from "./plan.ts";

/**
 * Refuses to write over our object of another filter or workload: `<workload>-<id>` is the same for a Deployment and a
 * StatefulSet of one name, and for `a` + `b-c` and `a-b` + `c`. Throws `FILTER_NAME_TAKEN` (usage).
 */
export function refuseTaken(changes: readonly ApplyChange[], workloads: readonly Workload[], id: string): void {
  for (const [i, { ref, before }] of changes.entries()) {
    const workload = workloads[i];
    const labels = before?.metadata.labels ?? {};
    if (before === undefined || workload === undefined || labels[MANAGED_BY_LABEL] !== MANAGED_BY) continue;
    if (labels[FILTER_LABEL] === id && isFor(before, workload)) continue;
    const message = `${refTitle(ref)} is there for another filter or workload than ${id} on ${workloadTitle(workload)}`;
    throw new WasmeError("usage", "FILTER_NAME_TAKEN", message, { hint: "choose another --id" });
  }
}
