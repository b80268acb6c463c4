import { workloadResource } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { Access } from "../kube/port.ts";
import { mountedVolumes } from "./edit-workload.ts";
import { inParallel } from "./in-parallel.ts";
import { placeOf, type Target } from "./live-workload.ts";
import { isFor, volumeOf } from "./our-objects.ts";
import type { EditChange } from "./plan.ts";
import type { ClusterDeps, Via } from "./request.ts";
import { missingAccess } from "./require-access.ts";
import { settleEdit } from "./settle-change.ts";
import { VIA_KIND } from "./via-kind.ts";

/** Volumes that go, and what is said about those that stay. */
export interface Unmounts {
  readonly edits: readonly EditChange[];
  readonly notes: readonly string[];
}

/**
 * Takes volumes of ours out of those workloads that no object of ours in `left` reads files through. It looks at the
 * templates themselves, so what a deploy or undeploy that stopped half-way left is found too. `denied` are kinds of
 * which nobody knows whether they need a volume. `optional`: without the right to, the volumes stay, with a note.
 */
export async function planUnmounts(
  deps: ClusterDeps,
  targets: readonly Target[],
  known: { readonly left: readonly KubeObject[]; readonly denied: readonly Via[]; readonly optional?: boolean },
): Promise<Unmounts> {
  const mounted = targets
    .map((target) => ({ target, names: mountedVolumes(target.live, placeOf(target.live)) }))
    .filter(({ names }) => names.length > 0);
  const going = mounted
    .map(({ target, names }) => ({ target, names: unneeded(names, target, known.left) }))
    .filter(({ names }) => names.length > 0);
  const notes = mounted.flatMap(({ target, names }) => staying(names, target, known.left));
  const [first] = going;
  if (first === undefined) return { edits: [], notes };
  if (known.denied.length > 0) {
    const kinds = known.denied.map((via) => VIA_KIND[via].kind).join(" or ");
    return { edits: [], notes: [`volumes stay: not allowed to see whether an object of kind ${kinds} needs them`] };
  }
  const { kind, namespace } = first.target.workload;
  const rights = ["get", "patch"].map((verb): Access => ({ verb, kind: workloadResource(kind), namespace }));
  if (known.optional === true && (await missingAccess(deps, rights)).length > 0) {
    return {
      edits: [],
      notes: [`volumes nobody needs any more stay in ${namespace}: not allowed to change workloads`],
    };
  }
  const settled = await inParallel(going, ({ target, names }) =>
    settleEdit(deps, target, { place: placeOf(target.live), direction: "unmount", names }),
  );
  const edits = settled.map(({ change }) => change).filter(({ action }) => action !== "unchanged");
  return { edits, notes: [...notes, ...settled.flatMap(({ remarks }) => remarks)] };
}

/** Those of a workload's volumes that none of these objects reads. */
function unneeded(
  names: readonly string[],
  { workload }: Pick<Target, "workload">,
  left: readonly KubeObject[],
): readonly string[] {
  const needed = new Set(left.filter((object) => isFor(object, workload)).map((object) => volumeOf(object)));
  return names.filter((name) => !needed.has(name));
}

/** Who keeps a volume of a workload, if it is known. */
function staying(names: readonly string[], { workload }: Target, left: readonly KubeObject[]): readonly string[] {
  const users = left
    .filter((object) => isFor(object, workload) && names.includes(volumeOf(object) ?? ""))
    .map(({ metadata }) => metadata.name);
  if (users.length === 0) return [];
  return [`${workload.name} keeps its mount: ${users.join(", ")} ${users.length === 1 ? "needs" : "need"} it`];
}
