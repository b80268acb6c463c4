import { WasmeError } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import { at, type KubeObject, stringMapAt } from "../kube/objects.ts";
import { mountOnGateway, unmountFromGateway } from "../mesh/gateway-volumes.ts";
import { mountModules, unmountModules } from "../mesh/sidecar-annotations.ts";

/** What is done to a workload's pod template: the module directory comes in or goes out, by annotation or by volume. */
export interface WorkloadEdit {
  readonly place: "sidecar" | "gateway";
  readonly direction: "mount" | "unmount";
}

/** The outcome of looking at a workload. */
export interface EditPatch {
  /** Merge patch of the workload; `undefined` when the template is as it should be, so that no pod restarts. */
  readonly patch: JsonObject | undefined;
  /** Things found in the way, for the plan. */
  readonly remarks: readonly string[];
}

/**
 * Works out the merge patch of a workload as it is now. It holds only what changes, so what others wrote stays.
 * Throws the usage errors of the annotations (`ANNOTATION_INVALID`, `ANNOTATION_CONFLICT`) and of the gateway's
 * volumes, with the workload named.
 */
export function editWorkload(live: KubeObject, edit: WorkloadEdit): EditPatch {
  const title = `${live.kind.toLowerCase()}/${live.metadata.name}`;
  try {
    return edit.place === "sidecar" ? editAnnotations(live, edit, title) : editVolumes(live, edit);
  } catch (error) {
    if (!(error instanceof WasmeError)) throw error;
    const { kind, code, hint, details } = error;
    const options = { ...(hint === undefined ? {} : { hint }), ...(details === undefined ? {} : { details }) };
    throw new WasmeError(kind, code, `${title}: ${error.message}`, { ...options, cause: error.cause });
  }
}

/** The object as the patch makes it: what a dry run without a server shows. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const base = typeof target === "object" && target !== null && !Array.isArray(target) ? target : {};
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = applyMergePatch(result[key], value);
  }
  return result;
}

function editAnnotations(live: KubeObject, edit: WorkloadEdit, title: string): EditPatch {
  const annotations = stringMapAt(live, "spec", "template", "metadata", "annotations");
  const { changes, kept } = edit.direction === "mount" ? mountModules(annotations) : unmountModules(annotations);
  const remarks = kept.map((key) => `${title} has its own volume wasme-cache in ${key}: it is left as it is`);
  if (Object.keys(changes).length === 0) return { patch: undefined, remarks };
  return { patch: { spec: { template: { metadata: { annotations: changes } } } }, remarks };
}

function editVolumes(live: KubeObject, edit: WorkloadEdit): EditPatch {
  const found = at(live, "spec", "template", "spec");
  const podSpec = (found ?? {}) as JsonObject;
  const edited = edit.direction === "mount" ? mountOnGateway(podSpec) : unmountFromGateway(podSpec);
  if (edited === podSpec) return { patch: undefined, remarks: [] };
  // A merge patch replaces lists whole; the version in the patch keeps others' changes from being lost.
  const spec = { volumes: edited["volumes"] ?? null, containers: edited["containers"] ?? null };
  return { patch: { spec: { template: { spec } } }, remarks: [] };
}
