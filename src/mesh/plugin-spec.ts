import { usageError } from "../domain/errors.ts";
import type { FailurePolicy, Filter, FilterPhase } from "../domain/filter.ts";
import { isObject, type JsonObject, tryParseJson } from "../domain/json.ts";
import { type FilterObjectRequest, podSelector } from "./filter-object.ts";
import { compact } from "./kubernetes-object.ts";
import { moduleSource } from "./module-source.ts";
import { workloadMode } from "./patch-context.ts";

/** A filter that a WasmPlugin or TrafficExtension carries. */
export interface PluginRequest extends FilterObjectRequest {
  /** Name of a Secret of type `kubernetes.io/dockerconfigjson` in the workload's namespace; used with `registry` only. */
  readonly pullSecret?: string | undefined;
}

/** True when these kinds can hold the plugin config: none at all, or a JSON object. */
export function isObjectConfig(config: string | undefined): boolean {
  return config === undefined || isObject(tryParseJson(config));
}

/** Who is selected, and in which direction: the same in both kinds. */
export function placement(request: PluginRequest): JsonObject {
  const { filter, workload } = request;
  const mode = workloadMode(filter.patchContext);
  return compact({
    selector: { matchLabels: podSelector(workload) },
    match: mode === undefined ? undefined : [{ mode }],
    phase: filter.phase === undefined ? undefined : PHASE[filter.phase],
    priority: filter.priority,
  });
}

/**
 * Which module, and how it is set up: fields of a WasmPlugin's `spec` and of a TrafficExtension's `spec.wasm`.
 * Throws `PLUGIN_CONFIG_NOT_OBJECT` (usage), or as {@link moduleSource} does.
 */
export function wasmSource(request: PluginRequest): JsonObject {
  const { filter, delivery, pullSecret } = request;
  const source = moduleSource(request);
  return compact({
    url: source.file === undefined ? source.url : `file://${source.file}`,
    sha256: source.sha256,
    imagePullSecret: delivery === "registry" ? pullSecret : undefined,
    pluginName: filter.rootId === "" ? undefined : filter.rootId,
    pluginConfig: pluginConfig(filter),
    failStrategy: FAIL_STRATEGY[filter.failurePolicy],
  });
}

function pluginConfig(filter: Pick<Filter, "config">): JsonObject | undefined {
  if (filter.config === undefined) return undefined;
  const value = tryParseJson(filter.config);
  if (isObject(value)) return value as JsonObject;
  throw usageError(
    "PLUGIN_CONFIG_NOT_OBJECT",
    "WasmPlugin and TrafficExtension take a JSON object as plugin config, nothing else",
    {
      hint: `pass --config '{"key":"value"}', or deploy with --via envoyfilter`,
    },
  );
}

const FAIL_STRATEGY: Readonly<Record<FailurePolicy, string>> = {
  closed: "FAIL_CLOSE",
  open: "FAIL_OPEN",
  reload: "FAIL_RELOAD",
};

const PHASE: Readonly<Record<FilterPhase, string>> = { authn: "AUTHN", authz: "AUTHZ", stats: "STATS" };
