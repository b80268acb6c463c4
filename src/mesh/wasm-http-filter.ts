import type { FailurePolicy, Filter } from "../domain/filter.ts";
import type { JsonObject } from "../domain/json.ts";
import { compact } from "./kubernetes-object.ts";

/** Names by which Envoy's HTTP connection manager and router are matched; Istio 1.19 and newer know no others. */
export const CONNECTION_MANAGER = "envoy.filters.network.http_connection_manager";
export const ROUTER = "envoy.filters.http.router";

const WASM_TYPE = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const RBAC_TYPE = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
/** Istio's agent looks into this one; the newer `xds.type.v3.TypedStruct` it passes on untouched. */
const TYPED_STRUCT = "type.googleapis.com/udpa.type.v1.TypedStruct";
const STRING_TYPE = "type.googleapis.com/google.protobuf.StringValue";
const RUNTIME = "envoy.wasm.runtime.v8";

/** Always written out: the documentation and the code of Envoy disagree on the default. */
const FAILURE_POLICY: Readonly<Record<FailurePolicy, string>> = {
  closed: "FAIL_CLOSED",
  open: "FAIL_OPEN",
  reload: "FAIL_RELOAD",
};

/** What of a filter Envoy's own configuration holds. */
export type EnvoyFilterSettings = Pick<Filter, "id" | "rootId" | "config" | "failurePolicy">;

/**
 * An entry of `http_filters` that runs the module in the local file `modulePath`
 * (envoy.extensions.filters.http.wasm.v3.Wasm). The id names filter, plugin and VM.
 */
export function buildWasmHttpFilter(filter: EnvoyFilterSettings, modulePath: string): JsonObject {
  const config = pluginConfig(filter, { local: { filename: modulePath } });
  return { name: filter.id, typed_config: { "@type": WASM_TYPE, config } };
}

/**
 * An entry of `http_filters` that is discovered under `name` ({@link discoveredWasm}). RBAC is let in as well: Istio's
 * agent puts such a filter in the place of a module it cannot fetch.
 */
export function discoveringHttpFilter(name: string): JsonObject {
  const source: JsonObject = { ads: {}, initial_fetch_timeout: "0s", resource_api_version: "V3" };
  return { name, config_discovery: { config_source: source, type_urls: [WASM_TYPE, RBAC_TYPE] } };
}

/** The discovered filter: Istio's agent downloads the module from `source` (http, https or oci) before Envoy sees it. */
export function discoveredWasm(
  name: string,
  filter: EnvoyFilterSettings,
  source: { readonly url: string; readonly sha256: string },
): JsonObject {
  // Envoy never uses the cluster, but asks for one.
  const uri: JsonObject = { uri: source.url, timeout: "30s", cluster: "_" };
  const config = pluginConfig(filter, { remote: { http_uri: uri, sha256: source.sha256 } });
  return { name, typed_config: { "@type": TYPED_STRUCT, type_url: WASM_TYPE, value: { config } } };
}

function pluginConfig(filter: EnvoyFilterSettings, code: JsonObject): JsonObject {
  return compact({
    name: filter.id,
    root_id: filter.rootId === "" ? undefined : filter.rootId,
    failure_policy: FAILURE_POLICY[filter.failurePolicy],
    configuration: filter.config === undefined ? undefined : { "@type": STRING_TYPE, value: filter.config },
    vm_config: { vm_id: filter.id, runtime: RUNTIME, code },
  });
}
