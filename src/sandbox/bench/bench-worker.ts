import { loadModule } from "../../host/load-module.ts";
import { pluginConfig, type PluginSettings } from "../../host/plugin-config.ts";
import { serveWorker } from "../../isolate/serve-worker.ts";
import type { CrowdSize } from "./crowd.ts";
import { BenchFailure, type BenchFilter } from "./lane.ts";
import { type ColdFigures, measureCold } from "./measure-cold.ts";
import { measureFilter, type MeasureResult } from "./measure-filter.ts";
import type { StreamShape } from "./stream-shape.ts";

/** What the thread measures. */
export interface BenchWorkerRequest {
  readonly filter: BenchedModule;
  readonly against: BenchedModule | undefined;
  readonly shape: StreamShape;
  readonly streams: number;
  readonly crowd: CrowdSize | undefined;
}

/** A module and its configuration. */
export interface BenchedModule {
  readonly bytes: Uint8Array;
  readonly settings: PluginSettings;
}

/** What the thread found; `failed` says why it could not. */
export type BenchWorkerReply = BenchWorkerResult | { readonly failed: string };

/** Its figures. */
export interface BenchWorkerResult {
  readonly cold: ColdFigures;
  readonly warm: MeasureResult;
}

serveWorker(({ heartbeat }) => (message): BenchWorkerReply => {
  try {
    return measure(message as BenchWorkerRequest, heartbeat);
  } catch (error) {
    // Errors lose their class on the way out of a thread.
    if (error instanceof BenchFailure) return { failed: error.message };
    throw error;
  }
});

function measure(
  { filter, against, shape, streams, crowd }: BenchWorkerRequest,
  heartbeat: Int32Array,
): BenchWorkerResult {
  const now = (): number => performance.now();
  const config = pluginConfig(filter.settings);
  const cold = measureCold({ bytes: filter.bytes, config, shape, now, heartbeat });
  const other = against === undefined ? undefined : filterOf(against);
  return { cold, warm: measureFilter({ ...filterOf(filter), against: other, shape, streams, crowd, now, heartbeat }) };
}

function filterOf({ bytes, settings }: BenchedModule): BenchFilter {
  return { module: loadModule(bytes), config: pluginConfig(settings) };
}
