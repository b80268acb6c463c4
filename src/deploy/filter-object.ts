import type { Delivery } from "../domain/delivery.ts";
import type { Filter } from "../domain/filter.ts";
import type { ResolvedImage } from "../domain/resolved-image.ts";
import type { Workload } from "../domain/workload.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { CacheSettings } from "../mesh/cache-objects.ts";
import { buildEnvoyFilter } from "../mesh/envoy-filter.ts";
import { buildTrafficExtension } from "../mesh/traffic-extension.ts";
import { buildWasmPlugin } from "../mesh/wasm-plugin.ts";
import type { Owner, Via } from "./request.ts";

/** What all objects of one deploy have in common. */
export interface FilterSettings {
  readonly via: Via;
  readonly delivery: Delivery;
  readonly filter: Filter;
  readonly image: ResolvedImage;
  readonly pullSecret: string | undefined;
  readonly cache: Pick<CacheSettings, "name" | "namespace">;
  readonly owner?: Owner | undefined;
}

/** The object that puts the filter on one workload. Throws as the builders do. */
export function filterObject(workload: Workload, settings: FilterSettings): KubeObject {
  const { via, filter, image, pullSecret, cache, delivery } = settings;
  const owner = settings.owner && { ...settings.owner, controller: true, blockOwnerDeletion: true };
  const request = { workload, filter, image, pullSecret, cache, delivery, owner };
  if (via === "wasmplugin") return buildWasmPlugin(request);
  return via === "trafficextension" ? buildTrafficExtension(request) : buildEnvoyFilter(request);
}
