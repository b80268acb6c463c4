import { DEFAULT_PRIORITY } from "../domain/filter.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import { filterKey, type ImagesByFilter } from "./migrate-images.ts";
import type { MigrateRequest } from "./migrate-request.ts";
import type { PlacedFilter } from "./migrate-survey.ts";
import type { DeployRequest } from "./request.ts";

/** Old filters that one deploy puts in place: the same in everything but the workload. */
export interface FilterGroup {
  readonly filters: readonly PlacedFilter[];
  readonly image: ResolvedImage;
  readonly request: DeployRequest;
}

/** Groups filters for deploying, in the order they were made. Throws nothing; every filter has its image. */
export function groupFilters(
  filters: readonly PlacedFilter[],
  images: ImagesByFilter,
  request: MigrateRequest & { readonly usesOldCache: boolean },
): readonly FilterGroup[] {
  const groups = new Map<string, FilterGroup>();
  for (const filter of filters) {
    const image = images.get(filterKey(filter));
    if (image === undefined) continue;
    const deploy = deployRequest(filter, image, { request, priority: priorityOf(filter, filters) });
    const { workloads, ...same } = deploy;
    const key = JSON.stringify([workloads.kind, workloads.namespace, same]);
    const before = groups.get(key)?.filters ?? [];
    const all = [...before, filter];
    const names = all.map(({ target }) => target.workload.name);
    groups.set(key, { filters: all, image, request: { ...deploy, workloads: { ...workloads, names } } });
  }
  return [...groups.values()];
}

/**
 * The old tool knew no order: what was made first ran first. Kinds of today sort equal priorities by name, so several
 * filters of one workload get different ones; the last, and a single one, the usual.
 */
function priorityOf(filter: PlacedFilter, all: readonly PlacedFilter[]): number {
  const { kind, name, namespace } = filter.target.workload;
  const beside = all.filter(({ target: { workload } }) => {
    return workload.kind === kind && workload.name === name && workload.namespace === namespace;
  });
  return DEFAULT_PRIORITY * (beside.length - beside.indexOf(filter));
}

function deployRequest(
  { old, target }: PlacedFilter,
  image: ResolvedImage,
  how: { readonly request: MigrateRequest & { readonly usesOldCache: boolean }; readonly priority: number },
): DeployRequest {
  const { request, priority } = how;
  const { via, pullSecret, cache, check, dryRun, forceConflicts, wait, timeoutMs } = request;
  return {
    image: image.reference,
    id: old.id,
    config: old.config,
    rootId: old.rootId,
    patchContext: old.patchContext,
    priority,
    failurePolicy: "closed",
    phase: undefined,
    workloads: { kind: target.workload.kind, namespace: old.namespace, labels: {} },
    via,
    delivery: deliveryOf(request),
    pullSecret,
    cache,
    check,
    dryRun,
    manifests: [],
    forceConflicts,
    wait,
    timeoutMs,
  };
}

/** A node cache is there, so today's takes its place, unless something else is asked for that has no use for it. */
function deliveryOf(request: MigrateRequest & { readonly usesOldCache: boolean }): DeployRequest["delivery"] {
  const { delivery, pullSecret, usesOldCache } = request;
  return delivery === "auto" && usesOldCache && pullSecret === undefined ? "cache-http" : delivery;
}
