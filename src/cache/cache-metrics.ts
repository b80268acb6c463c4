import type { Metrics } from "../controller/metrics.ts";
import type { ReportBook } from "./report-book.ts";

/** What is counted of a cache. */
export interface CacheMetrics {
  request(status: number): void;
  pull(result: "ok" | "failed", ms: number): void;
  evicted(count: number): void;
  lost(why: "altered" | "gone"): void;
  /** Brings what is measured, not counted, up to date; before each scrape. */
  refresh(): void;
}

/** What is measured when somebody asks. */
export interface Measured {
  readonly book: ReportBook;
  readonly held: () => number;
  readonly modules: () => number;
  readonly bytes: () => number;
}

/** Registers the cache's own metrics. */
export function createCacheMetrics(metrics: Metrics, measured: Measured): CacheMetrics {
  const entries = metrics.gauge("wasme_cache_entries", "Entries of the list by state.", ["state"]);
  const modules = metrics.gauge("wasme_cache_modules", "Modules on the node, listed or not.");
  const bytes = metrics.gauge("wasme_cache_bytes", "Bytes of all files of the cache.");
  const held = metrics.gauge("wasme_cache_held_requests", "Requests waiting for a module that is not here yet.");
  const requests = metrics.counter("wasme_cache_requests_total", "Requests answered, by status.", ["code"]);
  const pulls = metrics.counter("wasme_cache_pulls_total", "Images pulled, by result.", ["result"]);
  const evictions = metrics.counter("wasme_cache_evictions_total", "Modules removed that nobody listed any more.");
  const losses = metrics.counter("wasme_cache_lost_files_total", "Modules found altered or gone.", ["why"]);
  const seconds = metrics.histogram("wasme_cache_pull_seconds", "Time to pull an image.", { buckets: PULL_SECONDS });
  for (const result of ["ok", "failed"]) pulls.inc({ result }, 0);
  for (const why of ["altered", "gone"]) losses.inc({ why }, 0);
  return {
    request: (status) => requests.inc({ code: String(status) }),
    pull: (result, ms) => {
      pulls.inc({ result });
      if (result === "ok") seconds.observe(ms / 1000);
    },
    evicted: (count) => evictions.inc(count),
    lost: (why) => losses.inc({ why }),
    refresh: () => {
      const lines = measured.book.lines();
      for (const state of ["pulling", "ready", "failed"]) {
        entries.set({ state }, lines.filter((line) => line.state.state === state).length);
      }
      modules.set(measured.modules());
      held.set(measured.held());
      bytes.set(measured.bytes());
    },
  };
}

const PULL_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
