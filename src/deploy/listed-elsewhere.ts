import { stringMapAt } from "../kube/objects.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { cacheEntry } from "../mesh/cache-objects.ts";
import { isListed, noticesOn, speakerOf } from "./cache-list.ts";
import type { CacheLook } from "./look-at-cache.ts";
import { neededEntries } from "./needed-entries.ts";
import { type FilterObjects, isOfFilter, oursAmong } from "./our-objects.ts";
import type { ClusterDeps, DeployRequest } from "./request.ts";

interface Deploy {
  readonly request: DeployRequest;
  readonly image: ResolvedImage;
  readonly namespace: string;
  /** The objects of the namespace. */
  readonly found: FilterObjects;
  readonly cache: CacheLook;
}

/**
 * The reference from another repository that lists this very digest already, when other filters than the one that is
 * deployed need it, and no node failed to pull it: a digest is on the list once, and our registry may be one that their
 * nodes cannot pull from. `undefined` when the list may say what we want. A FilterDeployment's own is chosen elsewhere.
 */
export async function listedElsewhere(deps: ClusterDeps, deploy: Deploy): Promise<string | undefined> {
  const { request, image, namespace, found, cache } = deploy;
  const { configMap: list, sight } = cache;
  const entry = cacheEntry(image);
  const data = stringMapAt(list, "data");
  const present = data[entry.key];
  if (request.owner !== undefined) return request.cache.listedAs;
  if (list === undefined || present === undefined || isListed(list, entry) || sight.failure !== undefined) {
    return undefined;
  }
  const from = speakerOf(namespace, request);
  const coming = noticesOn(list, "coming").some((notice) => notice.key === entry.key && notice.from !== from);
  if (coming) return present;
  const own = oursAmong(found).filter((one) => isOfFilter(one, request.id));
  const over = new Set(own.map(({ object }) => object.metadata.uid));
  const needed = await neededEntries(deps, { title: sight.title, data }, { owner: undefined, over });
  // Who may not see that nobody needs it leaves it as it is.
  return "unseen" in needed || needed.has(entry.key) ? present : undefined;
}
