import { Kinds, type ResourceKind } from "../kube/kinds.ts";
import { type KubeObject, stringMapAt } from "../kube/objects.ts";
import { MANAGED_BY, MANAGED_BY_LABEL } from "../mesh/names.ts";
import { isOurWork } from "./look-at-cache.ts";
import { isOldManaged, OLD_DIRECTORY, OLD_LIST } from "./migrate-old-names.ts";
import type { CacheName } from "./cache-name.ts";
import type { ClusterDeps } from "./request.ts";
import { deniedAsUndefined, missingAccess } from "./require-access.ts";

/** What is left of an old node cache. Its objects had the names today's have. */
export interface OldCache extends CacheName {
  /** The DaemonSet of the old program. */
  readonly daemonSet: KubeObject | undefined;
  /** What has its name now: today's DaemonSet. */
  readonly today: KubeObject | undefined;
  /** Its stand-in, while today's DaemonSet has its name. */
  readonly standIn: KubeObject | undefined;
  /** The ConfigMap, while it holds the old list. */
  readonly configMap: KubeObject | undefined;
  /** What else the old tool made and today's cache has not taken over. */
  readonly parts: readonly { readonly kind: ResourceKind; readonly object: KubeObject }[];
  /** The namespace, when the old tool made it and today's cache has not taken it over. */
  readonly namespaceObject: KubeObject | undefined;
  /** The namespace, whoever made it. */
  readonly space: KubeObject | undefined;
  /** True when its labels are to be today's in the end, and are ours to change until then. */
  readonly relabels: boolean;
  /** Its images, as they were listed; `undefined` when we may not read the list. */
  readonly references: readonly string[] | undefined;
}

/** Name of the DaemonSet that runs the old cache on while today's takes its place. */
export function standInName(cache: CacheName): string {
  return `${cache.name}-old`;
}

/** Finds the old cache; what we may not see counts as not there. */
export async function findOldCache(deps: ClusterDeps, cache: CacheName): Promise<OldCache> {
  const { namespace, name } = cache;
  const read = async (kind: ResourceKind, called: string): Promise<KubeObject | undefined> => {
    const scope = kind === Kinds.namespace ? {} : { namespace };
    const object = await deniedAsUndefined(deps.port.get({ kind, name: called, ...scope }, deps.signal));
    return object?.metadata.deletionTimestamp === undefined ? object : undefined;
  };
  const [daemonSet, standIn, configMap, space, ...others] = await Promise.all([
    read(Kinds.daemonSet, name),
    read(Kinds.daemonSet, standInName(cache)),
    read(Kinds.configMap, name),
    read(Kinds.namespace, namespace),
    ...PARTS.map((kind) => read(kind, name)),
  ]);
  const list = { verb: "get", kind: Kinds.configMap, namespace, name };
  const denied = configMap === undefined && (await missingAccess(deps, [list])).length > 0;
  const data = configMap === undefined ? {} : stringMapAt(configMap, "data");
  const parts = PARTS.flatMap((kind, index) => {
    const object = others[index];
    return object !== undefined && isOldPart(object) ? [{ kind, object }] : [];
  });
  const old = {
    daemonSet: only(daemonSet, runsOldCache),
    standIn: only(standIn, runsOldCache),
    configMap: data[OLD_LIST] === undefined ? undefined : configMap,
  };
  return {
    ...old,
    namespace,
    name,
    today: only(daemonSet, (object) => !runsOldCache(object)),
    parts,
    namespaceObject: only(space, isOldPart),
    space,
    relabels: relabels(space, old),
    references: denied ? undefined : Object.values(data).flatMap((value) => linesOf(value)),
  };
}

/**
 * A namespace of the old tool's, also where somebody has applied today's objects over it: while the old program runs, and
 * after a run that took its level of Pod Security off and stopped before it set today's.
 */
function relabels(
  space: KubeObject | undefined,
  { daemonSet, standIn, configMap }: Pick<OldCache, "daemonSet" | "standIn" | "configMap">,
): boolean {
  if (space === undefined) return false;
  if (isOldPart(space)) return true;
  if (!isOldManaged(space) && !isOurWork(space)) return false;
  const runs = daemonSet !== undefined || standIn !== undefined;
  return runs || (configMap !== undefined && space.metadata.labels?.[POD_SECURITY] === undefined);
}

function only(object: KubeObject | undefined, holds: (object: KubeObject) => boolean): KubeObject | undefined {
  return object !== undefined && holds(object) ? object : undefined;
}

function linesOf(value: string): readonly string[] {
  const lines = value.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "");
}

/** True while there is anything of it. */
export function hasOldCache(cache: OldCache): boolean {
  const { daemonSet, standIn, configMap, parts, namespaceObject } = cache;
  // A ServiceAccount alone, of that name and nobody's, is no sign of an old cache.
  const sure = parts.some(({ kind }) => kind !== Kinds.serviceAccount);
  return sure || [daemonSet, standIn, configMap, namespaceObject].some((part) => part !== undefined);
}

/** By what it runs, whoever installed it: the old chart has other field managers. */
function runsOldCache(daemonSet: KubeObject): boolean {
  return JSON.stringify(daemonSet["spec"]).includes(OLD_DIRECTORY);
}

/** A bare ServiceAccount has no fields that anybody could manage: it is told by nobody else having touched it. */
function isOldPart(object: KubeObject): boolean {
  if (object.metadata.labels?.[MANAGED_BY_LABEL] === MANAGED_BY) return false;
  if (isOldManaged(object)) return true;
  const rows = object.metadata.managedFields ?? [];
  return object.kind === "ServiceAccount" && rows.every(({ manager }) => manager === "kube-controller-manager");
}

/** The label by which a namespace says what its pods may do. */
export const POD_SECURITY = "pod-security.kubernetes.io/enforce";

/** In the order to delete them. */
const PARTS: readonly ResourceKind[] = [Kinds.roleBinding, Kinds.role, Kinds.serviceAccount];
