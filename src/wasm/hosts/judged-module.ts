import type { ConsumerVerdict } from "../../domain/layout-consumers.ts";
import type { ModuleReport } from "../module-report.ts";

/** What is judged: a module, and the image around it if there is one. */
export interface JudgedModule {
  readonly report: ModuleReport;
  /** Bytes of the plugin configuration. */
  readonly configSize: number;
  /** Imports (`env.emscripten_notify_memory_growth`) that its start code was seen to call. */
  readonly startCalls: readonly string[];
  /** Imports it was seen to call later, in streams that were tried. */
  readonly calls: readonly string[];
  /** Who can read the image; absent for a bare file. */
  readonly layout: readonly ConsumerVerdict[] | undefined;
}
