import { envoyFilterContext } from "./patch-context.ts";
import { type FilterObjectRequest, filterObjectMetadata, podSelector } from "./filter-object.ts";
import type { KubernetesObject } from "./kubernetes-object.ts";
import { modulePath } from "./module-path.ts";
import { buildWasmHttpFilter, CONNECTION_MANAGER, ROUTER } from "./wasm-http-filter.ts";

/**
 * An EnvoyFilter that puts the filter right before the router of the workload's HTTP chains; the proxy reads the
 * module from the node's directory. Istio applies patches in ascending priority, so what is inserted first runs first:
 * "higher runs first" becomes the negated number. Throws as `filterObjectName` and `podSelector` do.
 */
export function buildEnvoyFilter(request: FilterObjectRequest): KubernetesObject {
  const { workload, filter, image } = request;
  return {
    apiVersion: "networking.istio.io/v1alpha3",
    kind: "EnvoyFilter",
    metadata: filterObjectMetadata(request),
    spec: {
      workloadSelector: { labels: podSelector(workload) },
      priority: filter.priority === 0 ? 0 : -filter.priority,
      configPatches: [
        {
          applyTo: "HTTP_FILTER",
          match: {
            context: envoyFilterContext(filter.patchContext),
            listener: { filterChain: { filter: { name: CONNECTION_MANAGER, subFilter: { name: ROUTER } } } },
          },
          patch: { operation: "INSERT_BEFORE", value: buildWasmHttpFilter(filter, modulePath(image.moduleDigest)) },
        },
      ],
    },
  };
}
