import type { KubeObject } from "../kube/objects.ts";
import { editWorkload, type WorkloadEdit } from "./edit-workload.ts";
import { placeOf, type Target } from "./live-workload.ts";
import { isFor, listOurEnvoyFilters } from "./our-objects.ts";
import type { EditChange } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined } from "./require-access.ts";
import { settleEdit } from "./settle-change.ts";

/** Mounts that go, and what is said about those that stay. */
export interface Unmounts {
  readonly edits: readonly EditChange[];
  readonly notes: readonly string[];
}

/**
 * Takes our mount out of those workloads that no EnvoyFilter of ours reads files through once `going` are gone. It
 * looks at the mounts themselves, so what a deploy or undeploy that stopped half-way left is found too.
 */
export async function planUnmounts(
  deps: ClusterDeps,
  going: readonly KubeObject[],
  where: { readonly targets: readonly Target[]; readonly namespace: string; readonly filesServed: boolean },
): Promise<Unmounts> {
  const mounted = where.targets.filter(({ live }) => editWorkload(live, unmountOf(live)).patch !== undefined);
  if (mounted.length === 0) return { edits: [], notes: [] };
  const all = where.filesServed ? await deniedAsUndefined(listOurEnvoyFilters(deps, where.namespace)) : [];
  if (all === undefined) {
    return { edits: [], notes: ["mounts stay: not allowed to see whether an EnvoyFilter needs them"] };
  }
  const gone = new Set(going.map(({ metadata }) => metadata.name));
  const others = all.filter(({ metadata }) => !gone.has(metadata.name));
  const edits: EditChange[] = [];
  const notes: string[] = [];
  for (const target of mounted) {
    const needed = others.filter((object) => isFor(object, target.workload)).map(({ metadata }) => metadata.name);
    if (needed.length > 0) {
      const need = needed.length === 1 ? "needs" : "need";
      notes.push(`${target.workload.name} keeps its mount: ${needed.join(", ")} ${need} it`);
      continue;
    }
    const settled = await settleEdit(deps, target, unmountOf(target.live));
    edits.push(settled.change);
    notes.push(...settled.remarks);
  }
  return { edits, notes };
}

function unmountOf(live: KubeObject): WorkloadEdit {
  return { place: placeOf(live), direction: "unmount" };
}
