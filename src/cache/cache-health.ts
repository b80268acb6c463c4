import { createHealth, type Health } from "../controller/health.ts";
import type { Metrics } from "../controller/metrics.ts";
import { Readiness, type ReadinessDeps } from "./readiness.ts";

/** What the health of a cache is told from. */
export interface CacheHealthDeps extends ReadinessDeps {
  readonly metrics: Metrics;
  /** Brings what is measured up to date. */
  readonly refresh: () => void;
}

/** The health of a cache. */
export interface CacheHealth extends Health {
  /** A part of it ended that must not: it serves on, and is to be started anew. */
  broke(): void;
}

/** Makes it: ready as {@link Readiness} says, alive as long as all its parts are. */
export function createCacheHealth(deps: CacheHealthDeps): CacheHealth {
  const { metrics, refresh } = deps;
  const render = (): ReturnType<Metrics["render"]> => {
    refresh();
    return metrics.render();
  };
  let isBroken = false;
  const health = createHealth({ metrics: { render } });
  const readiness = new Readiness(deps);
  health.addReady("images", () => readiness.check());
  health.addAlive("parts", () => (isBroken ? "a part of the cache ended: its log says which" : undefined));
  return { ...health, broke: () => void (isBroken = true) };
}
