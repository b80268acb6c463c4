import type { FailurePolicy, Filter } from "../domain/filter.ts";
import type { JsonObject } from "../domain/json.ts";
import { compact } from "./kubernetes-object.ts";

/** Names by which Envoy's HTTP connection manager and router are matched; Istio 1.19 and newer know no others. */
export const CONNECTION_MANAGER = "envoy.filters.network.http_connection_manager";
export const ROUTER = "envoy.filters.http.router";

const WASM_TYPE = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
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
  return {
    name: filter.id,
    typed_config: {
      "@type": WASM_TYPE,
      config: compact({
        name: filter.id,
        root_id: filter.rootId === "" ? undefined : filter.rootId,
        failure_policy: FAILURE_POLICY[filter.failurePolicy],
        configuration: filter.config === undefined ? undefined : { "@type": STRING_TYPE, value: filter.config },
        vm_config: {
          vm_id: filter.id,
          runtime: RUNTIME,
          code: { local: { filename: modulePath } },
        },
      }),
    },
  };
}
