import { isObject } from "../domain/json.ts";
import { type ResourceKind, workloadResource } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { ObjectRef } from "../kube/port.ts";
import { applyMergePatch, editWorkload, type WorkloadEdit } from "./edit-workload.ts";
import { podCount, type Target } from "./live-workload.ts";
import { type ApplyChange, type EditChange, refTo } from "./plan.ts";
import { isImageVolume } from "./pods.ts";
import type { ClusterDeps } from "./request.ts";
import { sameObject, says } from "./same-object.ts";

/** An object to apply, and what is said about it. */
export interface Wanted {
  readonly kind: ResourceKind;
  readonly object: KubeObject;
  readonly reason: string;
  readonly force: boolean;
  /** The object as it is, when it was read already; inside `undefined` when there is none. */
  readonly seen?: { readonly before: KubeObject | undefined };
}

/**
 * Finds out what applying an object would do, by letting the server do everything but store it. So schema, admission,
 * RBAC and conflicts are known before anything is changed. An object that says all that and nothing else is not tried.
 */
export async function settleApply(deps: ClusterDeps, wanted: Wanted): Promise<ApplyChange> {
  const { port, signal } = deps;
  const { kind, object, reason, force } = wanted;
  const ref = refTo(kind, object);
  const before = wanted.seen === undefined ? await port.get(ref, signal) : wanted.seen.before;
  const base = { type: "apply", ref, object, reason, before } as const;
  if (before !== undefined && says(before, object)) return { ...base, action: "unchanged", after: before };
  const action = before === undefined ? "create" : "update";
  if (deps.trial === false) return { ...base, action, after: object };
  const after = await port.apply(kind, object, { dryRun: true, force, signal });
  return { ...base, action: before !== undefined && sameObject(before, after) ? "unchanged" : action, after };
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
    const reason = edit.direction === "mount" ? "mounts the volume already" : "does not mount the volume";
    return { change: { ...base, action: "unchanged", after: live, reason }, remarks };
  }
  const reason = editReason(edit, podCount(live));
  if (deps.trial === false) {
    return {
      change: { ...base, action: "update", after: applyMergePatch(live, patch) as KubeObject, reason },
      remarks,
    };
  }
  const after = await deps.port.patch(ref, patch, { dryRun: true, signal: deps.signal });
  return { change: { ...base, action: "update", after, reason }, remarks };
}

/** What an edit does, and what that costs. */
function editReason(edit: WorkloadEdit, pods: number): string {
  const what = edit.direction === "mount" ? thing(edit.volume.name) : thing(edit.names[0] ?? "");
  const does = edit.direction === "mount" ? `mounts ${what}` : `takes ${what} out`;
  return `${does}; restarts ${pods} ${pods === 1 ? "pod" : "pods"}`;
}

function thing(volume: string): string {
  return isImageVolume(volume) ? "the image" : "the module directory";
}

/** The patch with the version it was made for, so that the server refuses it when somebody was quicker. */
export function withVersion(
  patch: Readonly<Record<string, unknown>>,
  live: KubeObject,
): Readonly<Record<string, unknown>> {
  const metadata = isObject(patch["metadata"]) ? patch["metadata"] : {};
  return { ...patch, metadata: { ...metadata, resourceVersion: live.metadata.resourceVersion } };
}
