import type { JsonObject } from "../domain/json.ts";
import { type FilterObjectRequest, filterObjectMetadata, podSelector } from "./filter-object.ts";
import type { KubernetesObject } from "./kubernetes-object.ts";
import { moduleSource } from "./module-source.ts";
import { envoyFilterContext } from "./patch-context.ts";
import {
  buildWasmHttpFilter,
  CONNECTION_MANAGER,
  discoveredWasm,
  discoveringHttpFilter,
  ROUTER,
} from "./wasm-http-filter.ts";

/**
 * An EnvoyFilter that puts the filter right before the router of the workload's HTTP chains. A module in a file is named
 * in the chain itself; a module to download is an extension that the chain discovers, since only there Istio's agent
 * steps in. Istio applies patches in ascending priority, so what is inserted first runs first: "higher runs first"
 * becomes the negated number. Throws as `filterObjectName`, `podSelector` and `moduleSource` do.
 */
export function buildEnvoyFilter(request: FilterObjectRequest): KubernetesObject {
  const { workload, filter } = request;
  const metadata = filterObjectMetadata(request);
  return {
    apiVersion: "networking.istio.io/v1alpha3",
    kind: "EnvoyFilter",
    metadata,
    spec: {
      workloadSelector: { labels: podSelector(workload) },
      priority: filter.priority === 0 ? 0 : -filter.priority,
      configPatches: [...patches(request, `${workload.namespace}.${metadata.name}`)],
    },
  };
}

/** `name` is that of the extension; a proxy knows it only once, whatever filters it has. */
function patches(request: FilterObjectRequest, name: string): readonly JsonObject[] {
  const { filter } = request;
  const context = envoyFilterContext(filter.patchContext);
  const source = moduleSource(request);
  if (source.file !== undefined) return [beforeRouter(context, buildWasmHttpFilter(filter, source.file))];
  const extension: JsonObject = {
    applyTo: "EXTENSION_CONFIG",
    match: { context },
    patch: { operation: "ADD", value: discoveredWasm(name, filter, source) },
  };
  return [beforeRouter(context, discoveringHttpFilter(name)), extension];
}

function beforeRouter(context: string, value: JsonObject): JsonObject {
  return {
    applyTo: "HTTP_FILTER",
    match: {
      context,
      listener: { filterChain: { filter: { name: CONNECTION_MANAGER, subFilter: { name: ROUTER } } } },
    },
    patch: { operation: "INSERT_BEFORE", value },
  };
}
