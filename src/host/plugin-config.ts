/** What happens to streams when the guest's VM is gone (`failure_policy`). */
export type FailurePolicy = "closed" | "open" | "reload";

/** The virtual machine a filter runs in; filters with the same module, `vmId` and `configuration` share one. */
export interface VmConfig {
  readonly vmId: string;
  readonly configuration: Uint8Array;
  /** Environment variables WASI shows. */
  readonly environment: ReadonlyMap<string, string>;
  /** When present only these `proxy_…` and WASI functions, in both directions, are allowed. */
  readonly allowedCapabilities: ReadonlySet<string> | undefined;
}

/** One filter in a chain: `envoy.extensions.wasm.v3.PluginConfig`. */
export interface PluginConfig {
  readonly name: string;
  readonly rootId: string;
  readonly configuration: Uint8Array;
  readonly vm: VmConfig;
  readonly failurePolicy: FailurePolicy;
  /** Lets a stop on headers pass bodies on to the filter (`allow_on_headers_stop_iteration`). */
  readonly allowOnHeadersStopIteration: boolean;
}

/** Fills in the defaults of Envoy. */
export function pluginConfig(given: PluginSettings = {}): PluginConfig {
  return {
    name: given.name ?? "filter",
    rootId: given.rootId ?? "",
    configuration: bytesOf(given.configuration),
    vm: {
      vmId: given.vmId ?? "",
      configuration: bytesOf(given.vmConfiguration),
      environment: given.environment ?? new Map<string, string>(),
      allowedCapabilities: given.allowedCapabilities,
    },
    failurePolicy: given.failurePolicy ?? "closed",
    allowOnHeadersStopIteration: given.allowOnHeadersStopIteration ?? false,
  };
}

/** A {@link PluginConfig} as a person gives it; strings become UTF-8. */
export interface PluginSettings {
  readonly name?: string | undefined;
  readonly rootId?: string | undefined;
  readonly configuration?: string | Uint8Array | undefined;
  readonly vmId?: string | undefined;
  readonly vmConfiguration?: string | Uint8Array | undefined;
  readonly environment?: ReadonlyMap<string, string> | undefined;
  readonly allowedCapabilities?: ReadonlySet<string> | undefined;
  readonly failurePolicy?: FailurePolicy | undefined;
  readonly allowOnHeadersStopIteration?: boolean | undefined;
}

function bytesOf(value: string | Uint8Array | undefined): Uint8Array {
  if (value === undefined) return new Uint8Array(0);
  return typeof value === "string" ? new TextEncoder().encode(value) : value;
}
