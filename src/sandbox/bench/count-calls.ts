import type { TraceEvent } from "../../host/trace.ts";
import { type BenchFilter, FIGURES, Lane, type LaneOptions } from "./lane.ts";

/** What a filter asks of the host while a stream goes through it. */
export interface HostCalls {
  readonly perStream: number;
  /** The most frequent first. `failed` is how many of them were not answered Ok. */
  readonly byName: readonly { readonly name: string; readonly perStream: number; readonly failed: number }[];
}

/** Counts the host calls of a few streams, in an instance of its own: counting costs time. */
export function countCalls(filter: BenchFilter, options: LaneOptions): HostCalls {
  const counts = new Map<string, { calls: number; failed: number }>();
  let counting = false;
  const trace = (event: TraceEvent): void => {
    if (!counting || event.type !== "call") return;
    const count = counts.get(event.name) ?? { calls: 0, failed: 0 };
    count.calls += 1;
    if (event.status !== 0) count.failed += 1;
    counts.set(event.name, count);
  };
  const lane = new Lane(filter, { ...options, trace });
  // The first stream may set something up.
  lane.batch(1, new Float64Array(FIGURES));
  counting = true;
  lane.batch(COUNTED, new Float64Array(FIGURES));
  counting = false;
  lane.stop();
  const byName = [...counts].map(([name, { calls, failed }]) => ({
    name,
    perStream: calls / COUNTED,
    failed: failed / COUNTED,
  }));
  byName.sort((a, b) => b.perStream - a.perStream || a.name.localeCompare(b.name));
  return { perStream: byName.reduce((sum, one) => sum + one.perStream, 0), byName };
}

const COUNTED = 20;
