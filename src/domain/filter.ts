/** Which traffic of a workload a filter sees. */
export type PatchContext = "inbound" | "outbound" | "gateway" | "any";

/** What a proxy does when the filter cannot load or traps. */
export type FailurePolicy = "closed" | "open" | "reload";

/** Where in Istio's chain a WasmPlugin or TrafficExtension goes; an EnvoyFilter cannot express it. */
export type FilterPhase = "authn" | "authz" | "stats";

/** A module with root id and plugin config at a place in a proxy: what `deploy` turns into objects. */
export interface Filter {
  /** Chosen by the user, unique per workload; names objects and logs. */
  readonly id: string;
  /** Root context inside the module; empty when the module has a single one without name. */
  readonly rootId: string;
  /** Plugin configuration, verbatim; `undefined` when there is none. */
  readonly config: string | undefined;
  readonly patchContext: PatchContext;
  /** Higher runs first, whatever the kind of object. */
  readonly priority: number;
  readonly failurePolicy: FailurePolicy;
  readonly phase: FilterPhase | undefined;
}

export const PATCH_CONTEXTS: readonly PatchContext[] = ["inbound", "outbound", "gateway", "any"];
export const FAILURE_POLICIES: readonly FailurePolicy[] = ["closed", "open", "reload"];
export const FILTER_PHASES: readonly FilterPhase[] = ["authn", "authz", "stats"];
export const DEFAULT_PRIORITY = 10;
