import type { ResolvedImage } from "../domain/resolved-image.ts";
import { Kinds, type ResourceKind, resourceName } from "../kube/kinds.ts";
import { at, type KubeObject, listAt, type ManagedFields, stringAt, stringMapAt } from "../kube/objects.ts";
import type { FieldManager } from "../kube/port.ts";
import { cacheEntry, cachePodLabels } from "../mesh/cache-objects.ts";
import { NODE_LABEL, parseEntryReport } from "../mesh/node-report.ts";
import type { CacheSight } from "./choose-delivery.ts";
import { keepsFiles } from "./pods.ts";
import { isOldManaged, OLD_MANAGER } from "./migrate-old-names.ts";
import type { CacheRequest, ClusterDeps } from "./request.ts";
import { deniedAsUndefined } from "./require-access.ts";
import { labelText } from "./select-workloads.ts";

/** A node cache as it is: its objects, as far as we may see them, and what follows from them. */
export interface CacheLook {
  readonly daemonSet: KubeObject | undefined;
  readonly configMap: KubeObject | undefined;
  readonly service: KubeObject | undefined;
  readonly sight: CacheSight;
}

/** Reads a cache. What we may not see counts as not there, and is told. */
export async function lookAtCache(
  deps: ClusterDeps,
  cache: Pick<CacheRequest, "name" | "namespace" | "upkeep">,
  image: ResolvedImage,
): Promise<CacheLook> {
  const { name, namespace, upkeep = "make" } = cache;
  const unseen = new Map<ResourceKind, string>();
  if (upkeep === "none") return NO_CACHE;
  const read = async (kind: ResourceKind): Promise<KubeObject | undefined> => {
    const found = await deniedAsUndefined(deps.port.get({ kind, name, namespace }, deps.signal).then((live) => [live]));
    if (found !== undefined) return found[0];
    const where = `${JSON.stringify(name)} in namespace ${JSON.stringify(namespace)}`;
    unseen.set(kind, `not allowed to get ${resourceName(kind)} ${where}`);
    return undefined;
  };
  const [daemonSet, configMap, service] = await Promise.all(PARTS.map((kind) => read(kind)));
  const there = daemonSet !== undefined && configMap !== undefined;
  const listed = there && stringMapAt(configMap, "data")[cacheEntry(image).key] !== undefined;
  const sight: CacheSight = {
    title: `${namespace}/${name}`,
    // The same one each time, whichever was answered first: an operator would write its status anew otherwise.
    unseen: PARTS.flatMap((kind) => unseen.get(kind) ?? [])[0],
    there,
    service: service !== undefined,
    files: keepsFiles(at(daemonSet, "spec", "template", "spec")),
    old: daemonSet !== undefined && isOldManaged(daemonSet),
    changeable: !there || (upkeep === "make" && isOurWork(daemonSet)),
    failure: listed ? await failureOf(deps, cache, image) : undefined,
  };
  return { daemonSet, configMap, service, sight };
}

const PARTS: readonly ResourceKind[] = [Kinds.daemonSet, Kinds.configMap, Kinds.service];
const NO_CACHE: CacheLook = {
  daemonSet: undefined,
  configMap: undefined,
  service: undefined,
  sight: { title: "", there: false, service: false, files: false, changeable: true, failure: undefined },
};

/** Who this tool writes as: what they made, it may change. */
const OURS: readonly (string | undefined)[] = ["wasme-cli", "wasme-operator"] satisfies readonly FieldManager[];

/** True for an object that this tool applied, and that nobody has taken over since. */
export function isOurWork(object: KubeObject): boolean {
  const rows = object.metadata.managedFields ?? [];
  const applied = rows.some(({ manager, operation }) => operation === "Apply" && isOurManager(manager));
  return applied && object.metadata.annotations?.[LAST_APPLIED] === undefined && !rows.some((row) => isInstaller(row));
}

/**
 * True when the row is of somebody who keeps the object as a whole: who applies it, or writes its spec by other means
 * (Helm). What people change in passing, and what controllers report, makes it nobody else's.
 */
function isInstaller(row: ManagedFields): boolean {
  const { manager = "", operation, subresource = "", fieldsV1 } = row;
  if (subresource !== "" || isOurManager(manager) || BYSTANDERS.has(manager)) return false;
  return operation === "Apply" || manager === CLIENT_SIDE_APPLY || at(fieldsV1, "f:spec") !== undefined;
}

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
/** Whose copies of an object may lack the annotation. */
const CLIENT_SIDE_APPLY = "kubectl-client-side-apply";
/** Who changes some fields and installs nothing: the rest of this tool, the cluster, people at a terminal. */
const BYSTANDERS: ReadonlySet<string> = new Set([
  "wasme-cache",
  OLD_MANAGER,
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubectl-annotate",
  "kubectl-edit",
  "kubectl-label",
  "kubectl-patch",
  "kubectl-rollout",
  "kubectl-set",
]);

/** True for a name this tool writes under. */
export function isOurManager(manager: string | undefined): boolean {
  return OURS.includes(manager);
}

/** Why a node gave the image up, if one did. */
async function failureOf(
  deps: ClusterDeps,
  cache: Pick<CacheRequest, "name" | "namespace">,
  image: ResolvedImage,
): Promise<string | undefined> {
  const labelSelector = `${labelText(cachePodLabels(cache))},${NODE_LABEL}`;
  const selection = { kind: Kinds.configMap, namespace: cache.namespace, labelSelector };
  const listed = await deniedAsUndefined(deps.port.list(selection, deps.signal));
  const { key } = cacheEntry(image);
  const failed = (listed?.items ?? []).filter(
    (report) => parseEntryReport(stringMapAt(report, "data")[key] ?? "")?.state === "failed",
  );
  if (failed.length === 0) return undefined;
  // What a pod said that is gone is of before.
  const ownPods = { kind: Kinds.pod, namespace: cache.namespace, labelSelector: labelText(cachePodLabels(cache)) };
  const pods = await deniedAsUndefined(deps.port.list(ownPods, deps.signal));
  const alive = pods && new Set(pods.items.map(({ metadata }) => metadata.uid));
  const said = failed.find((report) => ownerUids(report).every((uid) => alive?.has(uid) !== false));
  return said && (parseEntryReport(stringMapAt(said, "data")[key] ?? "")?.error ?? "a node gave it up");
}

function ownerUids(report: KubeObject): readonly string[] {
  return listAt(report, "metadata", "ownerReferences").flatMap((owner) => stringAt(owner, "uid") ?? []);
}
