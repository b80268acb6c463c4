import type { JsonObject } from "../domain/json.ts";
import type { KubeObject, ManagedFields } from "../kube/objects.ts";
import type { FieldManager, ObjectRef } from "../kube/port.ts";
import { isOldManaged, OLD_MANAGER } from "./migrate-old-names.ts";
import type { TouchChange } from "./plan.ts";

/**
 * Makes the fields the old tool wrote ours, as if we had applied them; the object itself stays as it is. The apply
 * that follows then takes out whatever it does not name, old labels of a selector among them, and stumbles over no
 * old owner. (Kubernetes: server-side apply, "transferring ownership".)
 */
export function adoption(ref: ObjectRef, before: KubeObject, manager: FieldManager): TouchChange {
  const touch = (live: KubeObject): JsonObject | undefined => adopted(live, manager);
  // Nobody sees a difference: who owns a field is no part of what people compare.
  return { type: "touch", action: "unchanged", ref, touch, reason: "is ours from now on", before, after: before };
}

function adopted(live: KubeObject, manager: FieldManager): JsonObject | undefined {
  if (!isOldManaged(live)) return undefined;
  const rows = live.metadata.managedFields ?? [];
  const others = rows.filter((row) => row.manager !== OLD_MANAGER);
  const known = others.some((row) => row.manager === manager && row.operation === "Apply");
  const old = known ? undefined : rows.find((row) => row.manager === OLD_MANAGER);
  const next: readonly ManagedFields[] = [
    ...others,
    ...(old === undefined ? [] : [{ ...old, manager, operation: "Apply" }]),
  ];
  return { metadata: { managedFields: next as unknown as JsonObject[] } };
}
