import type { Step } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";

/** A plan that is being carried out. */
export interface Run {
  readonly deps: ClusterDeps;
  readonly force: boolean;
  /** Caches (`namespace/name`) whose list was deleted in this run, so the rest of them may go. */
  readonly goneCaches: Set<string>;
  /** What a step found to be done at once after it. */
  readonly next: Step[];
  /** Uids of the filters' objects of a kind in a namespace, listed once: what the plan left alone may be gone since. */
  readonly there: Map<string, Promise<ReadonlySet<string | undefined> | undefined>>;
  /** Keys whose entry or credentials were written in this run: what nodes say of them is of before. */
  readonly written: Set<string>;
  /** Caches (`namespace/name`) that proxies asked for a module which this run took out of their configuration. */
  readonly leftCaches: Set<string>;
}

/** A run at its beginning. */
export function startRun(deps: ClusterDeps, force: boolean): Run {
  return { deps, force, goneCaches: new Set(), next: [], there: new Map(), written: new Set(), leftCaches: new Set() };
}
