import type { PatchContext } from "../domain/filter.ts";

const ENVOY_FILTER_CONTEXT = {
  inbound: "SIDECAR_INBOUND",
  outbound: "SIDECAR_OUTBOUND",
  gateway: "GATEWAY",
  any: "ANY",
} as const satisfies Record<PatchContext, string>;

/** `match.context` of an EnvoyFilter patch. */
export function envoyFilterContext(context: PatchContext): string {
  return ENVOY_FILTER_CONTEXT[context];
}

/** `match[].mode` of a WasmPlugin or TrafficExtension; `undefined` matches both directions, so there is no `match`. */
export function workloadMode(context: PatchContext): "SERVER" | "CLIENT" | undefined {
  if (context === "any") return undefined;
  return context === "inbound" ? "SERVER" : "CLIENT";
}
