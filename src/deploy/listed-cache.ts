import type { ResolvedImage } from "../domain/resolved-image.ts";
import { Kinds } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import { cacheEntry } from "../mesh/cache-objects.ts";
import { cacheObjects } from "./plan-cache.ts";
import type { Delivery } from "../domain/delivery.ts";
import type { CacheRequest } from "./request.ts";

/**
 * The cache's objects with the image on their list, for printing. `kubectl apply` of one such map takes its own
 * earlier entries out again: with several filters in one repository the entries belong into one map.
 */
export function listedCacheObjects(
  cache: CacheRequest,
  image: ResolvedImage,
  delivery: Delivery,
): readonly KubeObject[] {
  if (delivery !== "cache-file" && delivery !== "cache-http") return [];
  const { timeoutMs: _timeoutMs, ...settings } = cache;
  const { key, value } = cacheEntry(image);
  return cacheObjects({ ...settings, files: delivery === "cache-file" }).map(({ kind, object }) =>
    kind === Kinds.configMap ? { ...object, data: { [key]: value } } : object,
  );
}
