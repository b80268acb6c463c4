import { WasmeError } from "../domain/errors.ts";
import { WORKLOAD_KINDS } from "../domain/workload.ts";
import { applyPlan } from "../deploy/apply-plan.ts";
import { planUndeploy } from "../deploy/plan-undeploy.ts";
import type { KubeObject } from "../kube/objects.ts";
import { FILTER_LABEL, WORKLOAD_KIND_LABEL } from "../mesh/names.ts";
import { PATIENCE_MS } from "./desired.ts";
import type { Work } from "./work.ts";

/**
 * Takes objects away that were made for the FilterDeployment and are wanted no more, with what they needed: the mounts
 * of their workloads, their modules' entries in the node cache. Goes on where an earlier run stopped.
 */
export async function removeObjects(work: Work, objects: readonly KubeObject[]): Promise<void> {
  for (const group of groupsOf(objects)) await removeGroup(work, group);
}

/** Objects of one filter id, on workloads of one kind. */
interface Group {
  readonly id: string;
  readonly kind: (typeof WORKLOAD_KINDS)[number];
  readonly names: readonly string[];
}

function groupsOf(objects: readonly KubeObject[]): readonly Group[] {
  const groups = new Map<string, { id: string; kind: Group["kind"]; names: Set<string> }>();
  for (const { metadata } of objects) {
    const id = metadata.labels?.[FILTER_LABEL];
    const kind = WORKLOAD_KINDS.find((one) => one.toLowerCase() === metadata.labels?.[WORKLOAD_KIND_LABEL]);
    if (id === undefined || kind === undefined || !metadata.name.endsWith(`-${id}`)) continue;
    const key = `${kind} ${id}`;
    const group = groups.get(key) ?? { id, kind, names: new Set() };
    groups.set(key, group);
    group.names.add(metadata.name.slice(0, -id.length - 1));
  }
  return [...groups.values()].map((group) => ({ ...group, names: [...group.names] }));
}

async function removeGroup(work: Work, { id, kind, names }: Group): Promise<void> {
  const { cluster, namespace } = work;
  const request = {
    id,
    workloads: { kind, namespace, labels: {}, names },
    dryRun: undefined,
    wait: false,
    timeoutMs: PATIENCE_MS,
  };
  try {
    const plan = await planUndeploy(cluster, request);
    await applyPlan(cluster, plan, { force: true, waits: "stop" });
  } catch (error) {
    if (!(error instanceof WasmeError) || error.code !== "FILTER_NOT_DEPLOYED") throw error;
  }
}
