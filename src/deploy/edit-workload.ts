import { WasmeError } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import { at, type KubeObject, stringMapAt } from "../kube/objects.ts";
import { mountedOnGateway, mountOnGateway, unmountFromGateway } from "../mesh/gateway-volumes.ts";
import type { ModuleVolume } from "../mesh/module-volume.ts";
import { mountedModules, mountModules, unmountModules } from "../mesh/sidecar-annotations.ts";

/** Where volumes of ours are: in a gateway's own template, or in the annotations that Istio's injector reads. */
export type VolumePlace = "sidecar" | "gateway";

/** What is done to a workload's pod template: a volume of ours comes in, or volumes of ours go out. */
export type WorkloadEdit =
  | { readonly place: VolumePlace; readonly direction: "mount"; readonly volume: ModuleVolume }
  | { readonly place: VolumePlace; readonly direction: "unmount"; readonly names: readonly string[] };

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
  return named(live, (title) =>
    edit.place === "sidecar" ? editAnnotations(live, edit, title) : editVolumes(live, edit),
  );
}

/** Names of the volumes of ours in a workload's pod template. Throws `ANNOTATION_INVALID`. */
export function mountedVolumes(live: KubeObject, place: VolumePlace): readonly string[] {
  return named(live, () =>
    place === "sidecar" ? mountedModules(templateAnnotations(live)) : mountedOnGateway(podSpecOf(live)),
  );
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

/** The work's errors, with the workload named. */
function named<T>(live: KubeObject, work: (title: string) => T): T {
  const title = `${live.kind.toLowerCase()}/${live.metadata.name}`;
  try {
    return work(title);
  } catch (error) {
    if (!(error instanceof WasmeError)) throw error;
    const { kind, code, hint, details } = error;
    const options = { ...(hint === undefined ? {} : { hint }), ...(details === undefined ? {} : { details }) };
    throw new WasmeError(kind, code, `${title}: ${error.message}`, { ...options, cause: error.cause });
  }
}

function templateAnnotations(live: KubeObject): Readonly<Record<string, string>> {
  return stringMapAt(live, "spec", "template", "metadata", "annotations");
}

function podSpecOf(live: KubeObject): JsonObject {
  return (at(live, "spec", "template", "spec") ?? {}) as JsonObject;
}

function editAnnotations(live: KubeObject, edit: WorkloadEdit, title: string): EditPatch {
  const annotations = templateAnnotations(live);
  const { changes, kept } =
    edit.direction === "mount" ? mountModules(annotations, edit.volume) : unmountModules(annotations, edit.names);
  const remarks = kept.map((key) => `${title} has its own volume of that name in ${key}: it is left as it is`);
  if (Object.keys(changes).length === 0) return { patch: undefined, remarks };
  return { patch: { spec: { template: { metadata: { annotations: changes } } } }, remarks };
}

function editVolumes(live: KubeObject, edit: WorkloadEdit): EditPatch {
  const podSpec = podSpecOf(live);
  const edited =
    edit.direction === "mount" ? mountOnGateway(podSpec, edit.volume) : unmountFromGateway(podSpec, edit.names);
  if (edited === podSpec) return { patch: undefined, remarks: [] };
  // A merge patch replaces lists whole; the version in the patch keeps others' changes from being lost.
  const spec = { volumes: edited["volumes"] ?? null, containers: edited["containers"] ?? null };
  return { patch: { spec: { template: { spec } } }, remarks: [] };
}
