import type { ResolvedImage } from "../domain/resolved-image.ts";
import { Kinds, type ResourceKind } from "../kube/kinds.ts";
import { at, type KubeObject, stringMapAt } from "../kube/objects.ts";
import type { FieldManager } from "../kube/port.ts";
import { cacheEntry, cachePodLabels } from "../mesh/cache-objects.ts";
import { NODE_LABEL, parseEntryReport } from "../mesh/node-report.ts";
import type { CacheSight } from "./choose-delivery.ts";
import { keepsFiles } from "./pods.ts";
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

/** Reads a cache. What we may not see counts as not there: a way that is asked for is refused later, with the right named. */
export async function lookAtCache(
  deps: ClusterDeps,
  cache: Pick<CacheRequest, "name" | "namespace">,
  image: ResolvedImage,
): Promise<CacheLook> {
  const { name, namespace } = cache;
  const read = async (kind: ResourceKind): Promise<KubeObject | undefined> => {
    const found = await deniedAsUndefined(deps.port.get({ kind, name, namespace }, deps.signal).then((live) => [live]));
    if (found !== undefined) return found[0];
    const message = `not allowed to get ${kind.plural} ${JSON.stringify(name)} in namespace ${JSON.stringify(namespace)}`;
    deps.events({ type: "debug", message: `${message}: taken as not there` });
    return undefined;
  };
  const [daemonSet, configMap, service] = await Promise.all([
    read(Kinds.daemonSet),
    read(Kinds.configMap),
    read(Kinds.service),
  ]);
  const there = daemonSet !== undefined && configMap !== undefined;
  const listed = there && stringMapAt(configMap, "data")[cacheEntry(image).key] !== undefined;
  const sight: CacheSight = {
    title: `${namespace}/${name}`,
    there,
    service: service !== undefined,
    files: keepsFiles(at(daemonSet, "spec", "template", "spec")),
    changeable: !there || isOurWork(daemonSet),
    failure: listed ? await failureOf(deps, cache, image) : undefined,
  };
  return { daemonSet, configMap, service, sight };
}

/** Who this tool writes as: what they made, it may change. */
const OURS: readonly (string | undefined)[] = ["wasme-cli", "wasme-operator"] satisfies readonly FieldManager[];

/** True for an object that this tool applied. */
export function isOurWork(object: KubeObject): boolean {
  return (object.metadata.managedFields ?? []).some(
    ({ manager, operation }) => operation === "Apply" && isOurManager(manager),
  );
}

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
  for (const report of listed?.items ?? []) {
    const entry = parseEntryReport(stringMapAt(report, "data")[cacheEntry(image).key] ?? "");
    if (entry?.state === "failed") return entry.error ?? "a node gave it up";
  }
  return undefined;
}
