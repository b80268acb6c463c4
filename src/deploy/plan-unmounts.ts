import { WasmeError } from "../domain/errors.ts";
import { workloadResource } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { Access } from "../kube/port.ts";
import { mountedVolumes } from "./edit-workload.ts";
import { inParallel } from "./in-parallel.ts";
import { placeOf, type Target } from "./live-workload.ts";
import { byWorkload, objectKey, volumeOf, workloadKey } from "./our-objects.ts";
import type { EditChange } from "./plan.ts";
import { isImageVolume } from "./pods.ts";
import type { ClusterDeps, Via } from "./request.ts";
import { missingAccess } from "./require-access.ts";
import { settleEdit } from "./settle-change.ts";
import { VIA_KIND } from "./via-kind.ts";

/** Volumes that go, and what is said about those that stay. */
export interface Unmounts {
  readonly edits: readonly EditChange[];
  readonly notes: readonly string[];
}

/** What is known of the objects that read through volumes. */
export interface VolumeUses {
  /** Those that stay. */
  readonly left: readonly KubeObject[];
  /** Only volumes of these objects go; without them, every volume that nobody needs. */
  readonly of?: readonly KubeObject[];
  /** Filters that are being deployed there now: the directory of modules stays, whoever's it is. */
  readonly coming?: readonly string[];
  /** Kinds of which nobody knows whether they need a volume. */
  readonly denied: readonly Via[];
  /** Without the right to, the volumes stay, with a note. */
  readonly optional?: boolean;
}

/**
 * Takes volumes of ours out of those workloads that no object of ours in `left` reads files through. It looks at the
 * templates themselves, so what a deploy or undeploy that stopped half-way left is found too.
 */
export async function planUnmounts(
  deps: ClusterDeps,
  targets: readonly Target[],
  known: VolumeUses,
): Promise<Unmounts> {
  const mounted = targets
    .map((target) => ({ target, names: mountedVolumes(target.live, placeOf(target.live)) }))
    .filter(({ names }) => names.length > 0);
  const left = byWorkload(known.left);
  const leftOf = ({ workload }: Target): readonly KubeObject[] => left.get(workloadKey(workload)) ?? [];
  const coming = known.of === undefined ? (known.coming ?? []) : [];
  const may =
    known.of === undefined ? (name: string) => coming.length === 0 || isImageVolume(name) : volumesOf(known.of);
  const going = mounted
    .map(({ target, names }) => ({
      target,
      names: unneeded(names, leftOf(target)).filter((name) => may(name, target)),
    }))
    .filter(({ names }) => names.length > 0);
  const kept = mounted.flatMap(({ target, names }) => staying(names, target, leftOf(target)));
  const notes = [...kept, ...comingNotes(coming, mounted)];
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

/**
 * Whether one of these objects reads through the volume. The directory of modules is every filter's, so on another workload
 * it may be that of a deploy under way, whose object is still to come; an image's volume is the image's alone.
 */
function volumesOf(objects: readonly KubeObject[]): (name: string, target: Target) => boolean {
  const names = new Set(objects.map((object) => volumeOf(object)));
  const workloads = new Set(objects.map((object) => objectKey(object)));
  return (name, { workload }) => names.has(name) && (isImageVolume(name) || workloads.has(workloadKey(workload)));
}

/**
 * Those of the workloads whose annotations can be read, and notes on the others: what somebody broke holds nothing that
 * could be taken out of it. `strict`: all of them, and whoever reads it is told.
 */
export function readableAmong(
  targets: readonly Target[],
  { strict }: { readonly strict: boolean },
): { readonly readable: readonly Target[]; readonly notes: readonly string[] } {
  if (strict) return { readable: targets, notes: [] };
  const notes: string[] = [];
  const readable = targets.filter(({ live, workload }) => {
    try {
      mountedVolumes(live, placeOf(live));
      return true;
    } catch (error) {
      if (!(error instanceof WasmeError)) throw error;
      notes.push(`whether ${workload.name} has volumes of ours cannot be seen: ${error.message}`);
      return false;
    }
  });
  return { readable, notes };
}

function comingNotes(coming: readonly string[], mounted: readonly unknown[]): readonly string[] {
  if (coming.length === 0 || mounted.length === 0) return [];
  return [`mounts of the module directory stay: ${coming.join(", ")} is being deployed, or its deploy was stopped`];
}

/** Those of a workload's volumes that none of its objects reads. */
function unneeded(names: readonly string[], left: readonly KubeObject[]): readonly string[] {
  const needed = new Set(left.map((object) => volumeOf(object)));
  return names.filter((name) => !needed.has(name));
}

/** Who keeps a volume of a workload, if it is known. */
function staying(names: readonly string[], { workload }: Target, left: readonly KubeObject[]): readonly string[] {
  const users = left.filter((object) => names.includes(volumeOf(object) ?? "")).map(({ metadata }) => metadata.name);
  if (users.length === 0) return [];
  return [`${workload.name} keeps its mount: ${users.join(", ")} ${users.length === 1 ? "needs" : "need"} it`];
}
