import { filterObjectMetadata } from "./filter-object.ts";
import type { KubernetesObject } from "./kubernetes-object.ts";
import { placement, type PluginRequest, wasmSource } from "./plugin-spec.ts";

/** A WasmPlugin (Istio 1.12 and newer; `failStrategy` needs 1.19). Throws as `wasmSource` does. */
export function buildWasmPlugin(request: PluginRequest): KubernetesObject {
  return {
    apiVersion: "extensions.istio.io/v1alpha1",
    kind: "WasmPlugin",
    metadata: filterObjectMetadata(request),
    spec: { ...placement(request), ...wasmSource(request) },
  };
}
