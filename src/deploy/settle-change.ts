import { isObject } from "../domain/json.ts";
import type { ResourceKind } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import type { Target } from "./live-workload.ts";
import { workloadResource } from "../kube/kinds.ts";
import { editWorkload, type WorkloadEdit } from "./edit-workload.ts";
import { podCount } from "./live-workload.ts";
import { type ApplyChange, type EditChange, refTo } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";
import { sameObject } from "./same-object.ts";

/** An object to apply, and what is said about it. */
export interface Wanted {
  readonly kind: ResourceKind;
  readonly object: KubeObject;
  readonly reason: string;
  readonly force: boolean;
}

/**
 * Finds out what applying an object would do, by letting the server do everything but store it. So schema, admission,
 * RBAC and conflicts are known before anything is changed.
 */
export async function settleApply(deps: ClusterDeps, wanted: Wanted): Promise<ApplyChange> {
  const { port, signal } = deps;
  const { kind, object, reason, force } = wanted;
  const ref = refTo(kind, object);
  const before = await port.get(ref, signal);
  const after = await port.apply(kind, object, { dryRun: true, force, signal });
  const action = before === undefined ? "create" : sameObject(before, after) ? "unchanged" : "update";
  return { type: "apply", action, ref, object, reason, before, after };
}

/**
 * The same for an edit of somebody's workload. The patch is tried without a version: controllers write a workload's
 * status all the time, and what matters here is whether it would be let in.
 */
export async function settleEdit(
  deps: ClusterDeps,
  target: Target,
  edit: WorkloadEdit,
): Promise<{ readonly change: EditChange; readonly remarks: readonly string[] }> {
  const { live, workload } = target;
  const ref: ObjectRef = { kind: workloadResource(workload.kind), name: workload.name, namespace: workload.namespace };
  const { patch, remarks } = editWorkload(live, edit);
  const base = { type: "edit", ref, edit, before: live } as const;
  if (patch === undefined) {
    const reason =
      edit.direction === "mount" ? "mounts the module directory already" : "does not mount the module directory";
    return { change: { ...base, action: "unchanged", after: live, reason }, remarks };
  }
  const after = await deps.port.patch(ref, patch, { dryRun: true, signal: deps.signal });
  return { change: { ...base, action: "update", after, reason: editReason(edit, podCount(live)) }, remarks };
}

/** What an edit does, and what that costs. */
function editReason(edit: WorkloadEdit, pods: number): string {
  const does = edit.direction === "mount" ? "mounts the module directory" : "takes the module directory out";
  return `${does}; restarts ${pods} ${pods === 1 ? "pod" : "pods"}`;
}

/** The patch with the version it was made for, so that the server refuses it when somebody was quicker. */
export function withVersion(
  patch: Readonly<Record<string, unknown>>,
  live: KubeObject,
): Readonly<Record<string, unknown>> {
  const metadata = isObject(patch["metadata"]) ? patch["metadata"] : {};
  return { ...patch, metadata: { ...metadata, resourceVersion: live.metadata.resourceVersion } };
}
