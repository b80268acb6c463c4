import { Kinds } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import { filterDeploymentsNaming } from "./filter-deployments.ts";
import { cacheUseOf, oursAmong, readFilterObjects, servedVias } from "./our-objects.ts";
import type { ClusterDeps, Owner } from "./request.ts";

/** What a cache holds: `title` is its `namespace/name`, `data` its list. */
export interface CacheContent {
  readonly title: string;
  readonly data: Readonly<Record<string, string>>;
}

/** What does not count, and what counts although it is not there yet. */
export interface Reckoning {
  /** This FilterDeployment; what it needs is told by its objects. */
  readonly owner: Owner | undefined;
  /** Objects that are over then, by uid. */
  readonly over?: ReadonlySet<string | undefined>;
  /** Objects that are there then. */
  readonly coming?: readonly KubeObject[];
}

/**
 * Which of a cache's entries an object of ours in the whole cluster or a FilterDeployment needs; or what we may not see
 * of that, as the end of a sentence.
 */
export async function neededEntries(
  deps: ClusterDeps,
  cache: CacheContent,
  { owner, over = new Set(), coming = [] }: Reckoning,
): Promise<ReadonlySet<string> | { readonly unseen: string }> {
  const everywhere = await readFilterObjects(deps, await servedVias(deps));
  if (everywhere.denied.length > 0) return { unseen: "whether other namespaces need it" };
  const objects = oursAmong(everywhere)
    .map(({ object }) => object)
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined && !over.has(metadata.uid));
  const uses = [...objects, ...coming].flatMap((object) => cacheUseOf(object) ?? []);
  const named = await filterDeploymentsNaming(deps, cache.data, owner);
  if (named === undefined) return { unseen: `whether a ${Kinds.filterDeployment.kind} needs it` };
  return new Set([...named, ...uses.filter((use) => use.cache === cache.title).map(({ key }) => key)]);
}

/** The same cluster, seen as it is at this moment and not by copies. */
export function live(deps: ClusterDeps): ClusterDeps {
  return deps.live === undefined ? deps : { ...deps, port: deps.live };
}
