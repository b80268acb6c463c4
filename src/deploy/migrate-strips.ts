import type { JsonObject } from "../domain/json.ts";
import { workloadTitle } from "../domain/workload.ts";
import { workloadResource } from "../kube/kinds.ts";
import { type KubeObject, stringMapAt } from "../kube/objects.ts";
import { applyMergePatch } from "./edit-workload.ts";
import { podCount, stuckReason, type Target } from "./live-workload.ts";
import { stripOldMounts } from "./migrate-old-mounts.ts";
import type { Survey } from "./migrate-survey.ts";
import type { Plan, RolloutWait, TouchChange } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";
import { hasLabels } from "./select-workloads.ts";

/** The old tool's annotations, on their way out. */
export interface Strips extends Pick<Plan, "notes" | "warnings"> {
  readonly edits: readonly TouchChange[];
  readonly waits: readonly RolloutWait[];
}

/**
 * Takes the old volume and the old backups out of the pod templates that no staying EnvoyFilter of the old kind reaches.
 * Every edit is tried on the server first.
 */
export async function planStrips(
  deps: ClusterDeps,
  survey: Survey,
  staying: readonly KubeObject[],
  options: { readonly timeoutMs: number },
): Promise<Strips> {
  const edits: TouchChange[] = [];
  const notes: string[] = [];
  for (const target of survey.mounted) {
    const needed = staying.find((object) => reaches(object, target));
    if (needed === undefined) edits.push(await settleStrip(deps, target));
    else notes.push(`${workloadTitle(target.workload)} keeps the old volume: ${needed.metadata.name} needs it`);
  }
  const stuck = survey.mounted.filter(({ live }) => stuckReason(live) !== undefined);
  const rolling = edits.filter(({ ref }) => stuck.every(({ live }) => live.metadata.name !== ref.name));
  return {
    edits,
    notes,
    waits: waitsFor(rolling, options.timeoutMs),
    warnings: [...survey.unclear.map((one) => unclearWarning(one)), ...stuck.map(({ live }) => stuckWarning(live))],
  };
}

function reaches(object: KubeObject, { workload }: Target): boolean {
  const selector = stringMapAt(object, "spec", "workloadSelector", "labels");
  return object.metadata.namespace === workload.namespace && hasLabels(workload.podLabels, selector);
}

async function settleStrip(deps: ClusterDeps, { live, workload }: Target): Promise<TouchChange> {
  const { kind, name, namespace } = workload;
  const ref = { kind: workloadResource(kind), name, namespace };
  const patch = strip(live);
  const options = { dryRun: true, signal: deps.signal };
  const tried = patch === undefined || deps.trial === false ? undefined : await deps.port.patch(ref, patch, options);
  const after = tried ?? (applyMergePatch(live, patch ?? {}) as KubeObject);
  const pods = podCount(live);
  const reason = `takes the old volume out; restarts ${pods} ${pods === 1 ? "pod" : "pods"}`;
  return { type: "touch", action: "update", ref, touch: strip, reason, before: live, after };
}

function strip(live: KubeObject): JsonObject | undefined {
  const annotations = stringMapAt(live, "spec", "template", "metadata", "annotations");
  const { changes } = stripOldMounts(annotations);
  if (Object.keys(changes).length === 0) return undefined;
  return { spec: { template: { metadata: { annotations: changes } } } };
}

/** A wait is for workloads of one kind and namespace. */
function waitsFor(edits: readonly TouchChange[], timeoutMs: number): readonly RolloutWait[] {
  const groups = new Map<string, RolloutWait>();
  for (const { ref } of edits) {
    const key = `${ref.kind.kind} ${ref.namespace ?? ""}`;
    const workloads = [...(groups.get(key)?.workloads ?? []), ref];
    groups.set(key, { type: "wait-rollout", workloads, timeoutMs });
  }
  return [...groups.values()];
}

function unclearWarning({ target, annotations }: Survey["unclear"][number]): Plan["warnings"][number] {
  const message = `${workloadTitle(target.workload)}: ${annotations.join(" and ")} names the old volume and is not JSON: it stays as it is`;
  return { message, hint: "correct it in the pod template, then run wasme migrate again" };
}

function stuckWarning(live: KubeObject): Plan["warnings"][number] {
  const { why = "", hint = "" } = stuckReason(live) ?? {};
  const title = `${live.kind.toLowerCase()}/${live.metadata.name}`;
  return { message: `the pods of ${title} keep the old volume until they are replaced: ${why}`, hint };
}
