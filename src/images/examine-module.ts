import { checkModule } from "../wasm/check-module.ts";
import type { ModuleReport } from "../wasm/module-report.ts";
import type { CheckFinding } from "./check-finding.ts";
import { findingsOf } from "./check-findings.ts";
import type { SmokeLimits } from "./smoke-module.ts";
import type { SmokeRequest, SmokeResult } from "./smoke-result.ts";

/** A module and how it is to be run. */
export interface FilterToExamine {
  readonly module: Uint8Array;
  /** Plugin configuration; `undefined` when it is not known yet: an empty one is handed over, and refusing it is no error. */
  readonly config: string | undefined;
  readonly vmConfig?: string | undefined;
  readonly rootId: string;
  /** Root ids the image names. */
  readonly rootIds: readonly string[];
  /** What the check of the module with this configuration said; found out when absent. */
  readonly report?: ModuleReport;
}

/** What looking at a module and running it showed. */
export interface Examined {
  readonly report: ModuleReport;
  readonly findings: readonly CheckFinding[];
  /** Absent when it was not run: not asked for, or it does not load. */
  readonly smoke: SmokeResult | undefined;
}

/**
 * Checks a module's bytes and, when a proxy would load it and `smoke` is true, sends two streams through it. Never throws
 * for what is wrong with the module; rejects with the signal's reason.
 */
export async function examineModule(
  filter: FilterToExamine,
  options: {
    readonly smoke: boolean;
    readonly limits?: SmokeLimits | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<Examined> {
  const { module, config, vmConfig = "", rootId, rootIds } = filter;
  const report = filter.report ?? checkModule(module, { config });
  let smoke: SmokeResult | undefined;
  if (options.smoke && report.ok) {
    const { smokeModule } = await import("./smoke-module.ts");
    const request = { module, config: config ?? "", rootId, vmConfig, tcp: tcpOf(report) };
    smoke = await smokeModule(request, { ...options.limits, signal: options.signal });
  }
  return { report, smoke, findings: findingsOf({ report, config, rootId, rootIds }, smoke) };
}

/** SDKs that know HTTP from TCP filters export the callbacks of both. */
function tcpOf({ callbacks, origin: { language } }: ModuleReport): NonNullable<SmokeRequest["tcp"]> {
  if (!callbacks.includes("proxy_on_new_connection") && !callbacks.includes("proxy_on_downstream_data")) return "never";
  if (!callbacks.some((name) => /^proxy_on_(?:request|response)_/u.test(name))) return "only";
  return language === "rust" || language === "go" || language === "tinygo" ? "if-http-traps" : "never";
}
