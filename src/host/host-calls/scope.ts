import type { AbiVersion } from "../../domain/abi-version.ts";
import type { HostEnvironment } from "../environment.ts";
import type { GuestMemory } from "../guest-memory.ts";
import type { HeaderMap } from "../header-map.ts";
import type { ReportCode } from "../host-report.ts";
import type { HostServices } from "../host-services.ts";
import type { PluginConfig } from "../plugin-config.ts";
import type { Profile } from "../profile.ts";
import type { StreamInfo } from "../stream-info.ts";

/** A context of a guest, as host calls see it: the root of a plugin, or one stream. */
export interface GuestContext {
  /** Unique in its VM, from 1, never used again. */
  readonly id: number;
  readonly isRoot: boolean;
  /** The root it belongs to; a root's own self. */
  readonly root: GuestContext;
  readonly plugin: PluginConfig;
  /** `undefined` on a root. */
  readonly stream: StreamInfo | undefined;
  /** True while `proxy_on_log` runs. */
  readonly logging: boolean;
  /** The map (`MapType`) as Envoy shows it at this moment; `undefined` where it shows none. Maps 0 to 3 only. */
  map(type: number): HeaderMap | undefined;
  /** Nothing on a root. */
  clearRouteCache(): void;
}

/** Maps 4 to 7 and buffers 4, 5 and 8 during the callback that brings them. */
export interface Delivery {
  readonly grpcInitialMetadata?: HeaderMap | undefined;
  readonly grpcTrailingMetadata?: HeaderMap | undefined;
  readonly calloutHeaders?: HeaderMap | undefined;
  readonly calloutTrailers?: HeaderMap | undefined;
  readonly calloutBody?: Uint8Array | undefined;
  readonly grpcMessage?: Uint8Array | undefined;
  readonly foreignArguments?: Uint8Array | undefined;
}

/** What one VM offers to its host calls. */
export interface CallScope {
  readonly memory: GuestMemory;
  readonly environment: HostEnvironment;
  readonly profile: Profile;
  readonly abi: AbiVersion;
  readonly vmId: string;
  /** The effective context: the one the callback is for, or what `proxy_set_effective_context` chose. */
  readonly context: GuestContext;
  readonly host: HostServices;
  /** Set around a `callRoot` that delivers. */
  delivery: Delivery | undefined;
  /** The VM is gone: no callback is made any more. */
  readonly failed: boolean;
  /** Runs the action when the outermost call into the guest has returned, or now when none is under way. */
  afterCall(action: () => void): void;
  /** Runs the action when the VM fails or is stopped: give up what is under way outside. */
  onEnd(action: () => void): void;
  report(code: ReportCode, severity: "fault" | "warning", message: string): void;
  /**
   * Calls an export for a root context. `undefined` when the guest has no such export or the VM is gone; 0 for a function
   * without a result. A trap ends the VM and is no exception.
   */
  callRoot(name: string, root: GuestContext, ...args: number[]): number | undefined;
}
