import { filterObjectMetadata } from "./filter-object.ts";
import type { KubernetesObject } from "./kubernetes-object.ts";
import { placement, type PluginRequest, wasmSource } from "./plugin-spec.ts";

/** A TrafficExtension (Istio 1.30 and newer). Throws as `wasmSource` does. */
export function buildTrafficExtension(request: PluginRequest): KubernetesObject {
  return {
    apiVersion: "extensions.istio.io/v1alpha1",
    kind: "TrafficExtension",
    metadata: filterObjectMetadata(request),
    spec: { ...placement(request), wasm: wasmSource(request) },
  };
}
