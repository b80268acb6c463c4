import type { ResolvedImage } from "../domain/resolved-image.ts";
import type { ServerVersion } from "../kube/port.ts";
import { cacheEntry } from "../mesh/cache-objects.ts";
import { says as saysSo, speakerOf } from "./cache-list.ts";
import type { CurrentWay } from "./choose-delivery.ts";
import type { ViaQuestion } from "./choose-via.ts";
import { type CacheLook, lookAtCache } from "./look-at-cache.ts";
import {
  deliveryOf,
  type FilterObjects,
  isOfFilter,
  objectKey,
  oursAmong,
  readFilterObjects,
  servedVias,
  workloadKey,
} from "./our-objects.ts";
import { filesObstacle, mountObstacle, readNamespace } from "./read-namespace.ts";
import type { ClusterDeps, DeployRequest, Via } from "./request.ts";
import { type Selected, selectWorkloads } from "./select-workloads.ts";

/** What is there before anything is decided. */
export interface Surroundings extends Selected {
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly served: ReadonlySet<Via>;
  readonly found: FilterObjects;
  readonly cache: CacheLook;
  readonly kubernetes: ServerVersion;
  readonly namespace: string;
}

/** Reads all that decides a deploy. Throws `NAMESPACE_NOT_FOUND` and `WORKLOAD_NOT_FOUND` (not-found), and what the server refuses. */
export async function lookAround(
  deps: ClusterDeps,
  what: { readonly request: DeployRequest; readonly image: ResolvedImage; readonly namespace: string },
): Promise<Surroundings> {
  const { request, image, namespace } = what;
  const { port, signal } = deps;
  const labels = await readNamespace(deps, namespace);
  const selected = await selectWorkloads(port, { ...request.workloads, namespace }, signal);
  const served = await servedVias(deps);
  const [found, cache, kubernetes] = await Promise.all([
    readFilterObjects(deps, served, namespace),
    lookAtCache(deps, request.cache, image),
    port.version(signal),
  ]);
  return { labels, ...selected, served, found, cache, kubernetes, namespace };
}

/** What decides the kind of object and the way of the module. */
export function questionOf(request: DeployRequest, image: ResolvedImage, place: Surroundings): ViaQuestion {
  const { namespace, labels, targets, served, cache, kubernetes } = place;
  const notice = { key: cacheEntry(image).key, from: speakerOf(namespace, request) };
  // Who has begun to deploy by the cache and goes on is not sent elsewhere by what stopped it.
  const begun = cache.configMap !== undefined && saysSo(cache.configMap, "coming", notice);
  return {
    ...request,
    requested: request.via,
    image,
    served,
    cache: begun ? { ...cache.sight, failure: undefined } : cache.sight,
    kubernetes,
    current: currentWay(request.id, place),
    noFiles: filesObstacle({ namespace, labels }),
    noMount: mountObstacle(request.patchContext, targets),
  };
}

/** How the filter gets to these workloads now, when all of them get it in the same way. */
function currentWay(id: string, { found, targets }: Surroundings): CurrentWay | undefined {
  const keys = new Set(targets.map(({ workload }) => workloadKey(workload)));
  const there = oursAmong(found).filter((one) => isOfFilter(one, id) && keys.has(objectKey(one.object)));
  const ways = new Map(
    there.map(({ via, object }) => [`${via} ${deliveryOf(object)}`, { via, delivery: deliveryOf(object) }]),
  );
  const [way] = ways.values();
  return ways.size === 1 ? way : undefined;
}
