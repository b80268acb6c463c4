import { isListed, isSameSource } from "../deploy/cache-list.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { stringAt, stringMapAt } from "../kube/objects.ts";
import { cacheEntry } from "../mesh/cache-objects.ts";
import { IMAGE_INDEX } from "./cluster-view.ts";
import type { Work } from "./work.ts";

/**
 * The reference from another repository that lists this very digest already, when another FilterDeployment names it: a
 * digest is on the list once, and two that write it by turns would never end. The bytes are the same from either.
 */
export function listedAs(
  { deps, live }: { readonly deps: Pick<Work["deps"], "settings" | "view">; readonly live: Work["live"] },
  image: Pick<ResolvedImage, "reference" | "manifestDigest">,
): string | undefined {
  const { settings, view } = deps;
  const list = settings.cache && view.configMaps?.get(settings.cache.namespace, settings.cache.name);
  const entry = cacheEntry(image);
  if (list === undefined || isListed(list, entry)) return undefined;
  const present = stringMapAt(list, "data")[entry.key];
  if (present === undefined) return undefined;
  const others = view.filterDeployments
    .list({ index: { name: IMAGE_INDEX, value: entry.key } })
    .filter(({ metadata }) => metadata.uid !== live.metadata.uid);
  return others.some((other) => isSameSource(stringAt(other, "status", "image") ?? "", present)) ? present : undefined;
}
