import type { ResolvedImage } from "../domain/resolved-image.ts";
import type { Workload } from "../domain/workload.ts";
import type { KubeObject } from "../kube/objects.ts";
import { WORKLOAD_KIND_LABEL, WORKLOAD_LABEL } from "../mesh/names.ts";
import { mountModules } from "../mesh/sidecar-annotations.ts";
import { filterObject, type FilterSettings } from "./filter-object.ts";
import { type PrintedObjects, withoutNamespace } from "./from-manifests.ts";
import { listedCacheObjects } from "./listed-cache.ts";
import type { CacheRequest, WorkloadQuery } from "./request.ts";
import { VIA_KIND } from "./via-kind.ts";
import { volumeFor } from "./volume-for.ts";
import { labelText } from "./select-workloads.ts";

/**
 * What can be said without asking a cluster which workloads there are: the cache's objects, and one object whose
 * selector is the query's labels (without labels: the whole namespace). The notes say what that leaves open.
 */
export function printWithoutCluster(
  query: WorkloadQuery,
  settings: FilterSettings & { readonly image: ResolvedImage; readonly cache: CacheRequest },
): PrintedObjects {
  const labels = labelText(query.labels);
  const object = labels === "" ? forNamespace(query, settings) : forLabels(query, settings);
  const cache = listedCacheObjects(settings.cache, settings.image, settings.delivery);
  const selected =
    labels === ""
      ? "no cluster was asked: the object selects every pod of its namespace (of the mesh, in Istio's root namespace)"
      : `no cluster was asked: the object selects pods by ${labels}, as if the workload's labels were its pods' labels`;
  return {
    objects: [...cache, query.namespace === undefined ? withoutNamespace(object) : object],
    notes: [selected, ...annotationNotes(settings)],
  };
}

function annotationNotes({ delivery, image, via }: FilterSettings): readonly string[] {
  const volume = volumeFor(delivery, image);
  if (volume === undefined) return [];
  const entries = Object.entries(mountModules({}, volume).changes).filter(([key]) => key.startsWith("sidecar."));
  const text = entries.map(([key, value]) => `${key}='${value ?? ""}'`).join(" ");
  const { kind } = VIA_KIND[via];
  return [
    `the pod templates also need these annotations, before the ${kind} is there: ${text} (-f MANIFEST adds them)`,
  ];
}

function forLabels(query: WorkloadQuery, settings: FilterSettings): KubeObject {
  const { labels } = query;
  const name =
    NAME_LABELS.map((key) => labels[key]).find((value) => value !== undefined) ?? Object.values(labels)[0] ?? "";
  // A label's value may be empty, or hold what the name of an object may not.
  const short = name.toLowerCase().replaceAll("_", "-") || "selected";
  return filterObject(workload(query, short, labels), settings);
}

/** No selector, no workload in the labels, and the bare id as the name. */
function forNamespace(query: WorkloadQuery, settings: FilterSettings): KubeObject {
  const object = filterObject(workload(query, "all", { all: "all" }), settings);
  const { [WORKLOAD_LABEL]: _name, [WORKLOAD_KIND_LABEL]: _kind, ...labels } = object.metadata.labels ?? {};
  const { workloadSelector: _workload, selector: _selector, ...spec } = object["spec"] as Record<string, unknown>;
  return { ...object, metadata: { ...object.metadata, name: settings.filter.id, labels }, spec };
}

function workload(query: WorkloadQuery, name: string, labels: Readonly<Record<string, string>>): Workload {
  const namespace = query.namespace ?? "default";
  return { kind: query.kind, name, namespace, labels, podLabels: labels, podAnnotations: {} };
}

/** The labels whose value is by custom the workload's name. */
const NAME_LABELS: readonly string[] = ["app", "app.kubernetes.io/name"];
