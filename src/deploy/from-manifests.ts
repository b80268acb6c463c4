import type { ResolvedImage } from "../domain/resolved-image.ts";
import { workloadResource, apiVersion } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import { applyMergePatch, editWorkload } from "./edit-workload.ts";
import { filterObject, type FilterSettings } from "./filter-object.ts";
import { volumeFor } from "./volume-for.ts";
import { placeOf, type Target, targetOf } from "./live-workload.ts";
import type { Manifest } from "./read-manifests.ts";
import type { CacheRequest, WorkloadQuery } from "./request.ts";
import { hasLabels, noWorkload } from "./select-workloads.ts";
import { listedCacheObjects } from "./listed-cache.ts";

/** Objects to print, and what to say beside them on stderr. */
export interface PrintedObjects {
  readonly objects: readonly KubeObject[];
  readonly notes: readonly string[];
}

/**
 * The workloads of manifests that a query matches; a manifest without namespace belongs to any.
 * Throws `WORKLOAD_NOT_FOUND` (not-found).
 */
export function selectFromManifests(manifests: readonly Manifest[], query: WorkloadQuery): readonly Target[] {
  const targets = manifests.flatMap((manifest) =>
    manifest.objects
      .filter((object) => matches(object, query))
      .map((object) => targetOf(query.kind, object, query.namespace ?? "default")),
  );
  if (targets.length > 0) return targets;
  throw noWorkload(query, {
    manifests: manifests.length === 1 ? `manifest ${manifests[0]?.name ?? ""}` : "the manifests",
  });
}

/**
 * The manifests that hold chosen workloads, these with the module directory mounted, between the cache's objects and
 * the new ones. Each manifest is printed whole, so that a pipe into `kubectl apply -f -` loses nothing.
 */
export function editManifests(
  manifests: readonly Manifest[],
  targets: readonly Target[],
  settings: FilterSettings & { readonly image: ResolvedImage; readonly cache: CacheRequest },
): PrintedObjects {
  const byLive = new Map(targets.map((target) => [target.live, target]));
  const notes: string[] = [];
  const volume = volumeFor(settings.delivery, settings.image);
  const changed = manifests
    .filter((manifest) => manifest.objects.some((object) => byLive.has(object)))
    .flatMap((manifest) => manifest.objects)
    .map((object) => {
      if (volume === undefined || !byLive.has(object)) return object;
      const { patch, remarks } = editWorkload(object, { place: placeOf(object), direction: "mount", volume });
      notes.push(...remarks);
      return patch === undefined ? object : (applyMergePatch(object, patch) as KubeObject);
    });
  const cache = listedCacheObjects(settings.cache, settings.image, settings.delivery);
  const filters = targets.map(({ workload, live }) => {
    const object = filterObject(workload, settings);
    // What has no namespace in the manifests goes where `kubectl apply -n` puts it, and so must this.
    return live.metadata.namespace === undefined ? withoutNamespace(object) : object;
  });
  return { objects: [...cache, ...(volume === undefined ? [] : changed), ...filters], notes };
}

/** The object without namespace. */
export function withoutNamespace(object: KubeObject): KubeObject {
  const { namespace: _namespace, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function matches(object: KubeObject, query: WorkloadQuery): boolean {
  const kind = workloadResource(query.kind);
  if (object.kind !== kind.kind || object.apiVersion !== apiVersion(kind)) return false;
  const { namespace, labels } = object.metadata;
  const inNamespace = query.namespace === undefined || namespace === undefined || namespace === query.namespace;
  return inNamespace && hasLabels(labels ?? {}, query.labels);
}
