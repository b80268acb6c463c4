import type { Filter } from "../domain/filter.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import type { Workload } from "../domain/workload.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { CacheSettings } from "../mesh/cache-objects.ts";
import { buildEnvoyFilter } from "../mesh/envoy-filter.ts";
import { buildTrafficExtension } from "../mesh/traffic-extension.ts";
import { buildWasmPlugin } from "../mesh/wasm-plugin.ts";
import type { Via } from "./request.ts";

/** Which node cache an EnvoyFilter's module comes from, `namespace/name`: what undeploy has to tidy. */
export const CACHE_ANNOTATION = "wasme.io/cache";

/** What all objects of one deploy have in common. */
export interface FilterSettings {
  readonly via: Via;
  readonly filter: Filter;
  readonly image: ResolvedImage;
  readonly pullSecret: string | undefined;
  readonly cache: Pick<CacheSettings, "name" | "namespace">;
}

/** The object that puts the filter on one workload. Throws as the builders do. */
export function filterObject(workload: Workload, settings: FilterSettings): KubeObject {
  const { via, filter, image, pullSecret, cache } = settings;
  const request = { workload, filter, image, pullSecret };
  if (via === "wasmplugin") return buildWasmPlugin(request);
  if (via === "trafficextension") return buildTrafficExtension(request);
  const object = buildEnvoyFilter(request);
  const annotations = { ...object.metadata.annotations, [CACHE_ANNOTATION]: `${cache.namespace}/${cache.name}` };
  return { ...object, metadata: { ...object.metadata, annotations } };
}
