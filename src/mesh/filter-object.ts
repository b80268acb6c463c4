import type { Delivery } from "../domain/delivery.ts";
import { formatReference, withDigest } from "../domain/image-reference.ts";
import type { Filter } from "../domain/filter.ts";
import { usageError } from "../domain/errors.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { type Workload, workloadTitle } from "../domain/workload.ts";
import type { CacheSettings } from "./cache-objects.ts";
import type { ObjectMetadata, OwnerReference } from "./kubernetes-object.ts";
import {
  CACHE_ANNOTATION,
  DELIVERY_ANNOTATION,
  FILTER_DEPLOYMENT_LABEL,
  FILTER_LABEL,
  filterObjectName,
  IMAGE_ANNOTATION,
  IMAGE_DIGEST_ANNOTATION,
  MANAGED_BY,
  MANAGED_BY_LABEL,
  MODULE_DIGEST_ANNOTATION,
  WORKLOAD_KIND_LABEL,
  WORKLOAD_LABEL,
  workloadLabel,
} from "./names.ts";

/** A filter on a workload: what every builder of objects is given. */
export interface FilterObjectRequest {
  readonly workload: Pick<Workload, "kind" | "name" | "namespace" | "podLabels">;
  readonly filter: Filter;
  /** Resolved: its digests are pinned in what is built. */
  readonly image: Pick<ResolvedImage, "reference" | "manifestDigest" | "moduleDigest">;
  /** How the module gets to the proxies. */
  readonly delivery: Delivery;
  /** The node cache, for the deliveries that use one. */
  readonly cache: Pick<CacheSettings, "name" | "namespace">;
  /** The FilterDeployment it is made for. */
  readonly owner?: OwnerReference | undefined;
}

/** Labels that find what wasme made: of one filter id, or of one filter on one workload. */
export function filterLabels(id: string, workload?: Pick<Workload, "kind" | "name">): Readonly<Record<string, string>> {
  const labels = { [MANAGED_BY_LABEL]: MANAGED_BY, [FILTER_LABEL]: id };
  if (workload === undefined) return labels;
  return {
    ...labels,
    [WORKLOAD_LABEL]: workloadLabel(workload.name),
    [WORKLOAD_KIND_LABEL]: workload.kind.toLowerCase(),
  };
}

/** Name, namespace, labels and annotations of the object. Throws as `filterObjectName` does. */
export function filterObjectMetadata(request: FilterObjectRequest): ObjectMetadata {
  const { workload, filter, image, delivery, cache, owner } = request;
  const labels = filterLabels(filter.id, workload);
  const cached = delivery === "cache-http" || delivery === "cache-file";
  return {
    name: filterObjectName(workload.name, filter.id),
    namespace: workload.namespace,
    labels: owner === undefined ? labels : { ...labels, [FILTER_DEPLOYMENT_LABEL]: workloadLabel(owner.name) },
    ...(owner === undefined ? {} : { ownerReferences: [owner] }),
    annotations: {
      [DELIVERY_ANNOTATION]: delivery,
      ...(cached ? { [CACHE_ANNOTATION]: `${cache.namespace}/${cache.name}` } : {}),
      [IMAGE_ANNOTATION]: formatReference(withDigest(image.reference, image.manifestDigest)),
      [IMAGE_DIGEST_ANNOTATION]: image.manifestDigest,
      [MODULE_DIGEST_ANNOTATION]: image.moduleDigest,
    },
  };
}

/**
 * The pod template's labels, as a selector. Throws `WORKLOAD_WITHOUT_LABELS` (usage) when there are none: an empty
 * selector would mean the whole namespace.
 */
export function podSelector(workload: FilterObjectRequest["workload"]): Readonly<Record<string, string>> {
  if (Object.keys(workload.podLabels).length > 0) return workload.podLabels;
  throw usageError(
    "WORKLOAD_WITHOUT_LABELS",
    `the pod template of ${workloadTitle(workload)} in namespace ${JSON.stringify(workload.namespace)} has no labels to select its pods by`,
    { hint: "give the pod template a label of its own" },
  );
}
