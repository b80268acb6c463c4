import { keyOf } from "../controller/object-store.ts";
import { isReady } from "../deploy/node-progress.ts";
import type { Wait } from "../deploy/plan.ts";
import { isAlive } from "../deploy/pods.ts";
import { rolloutState } from "../deploy/rollout-state.ts";
import { hasLabels } from "../deploy/select-workloads.ts";
import { Kinds } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import { cachePodLabels } from "../mesh/cache-objects.ts";
import type { ClusterView } from "./cluster-view.ts";
import type { WorkloadResult } from "./conditions.ts";
import { conditionIn } from "./status.ts";
import type { Work } from "./work.ts";

/** Reason of the conditions of a filter that is in the proxies, and whose module new ones do not get. */
export const MODULE_UNAVAILABLE = "ModuleUnavailable";

/**
 * How long a node cache has lacked the module of a filter that is deployed as it is wanted. `short`: pods are replaced and
 * nodes come every day, and it is not told of.
 */
export type Outage = "short" | "lasting";

/**
 * What the wait for nodes means once nothing is left to deploy; `undefined` when it is an ordinary one, or none. While pods
 * are being replaced it is lasting only if no other pod serves meanwhile.
 */
export async function outageOf(
  { deps, live, signal }: Work,
  {
    results,
    awaiting,
    failures,
  }: {
    readonly results: readonly WorkloadResult[];
    readonly awaiting?: { readonly step: Wait };
    readonly failures: readonly unknown[];
  },
): Promise<Outage | undefined> {
  const isDeployed = failures.length === 0 && results.every(({ state }) => state === "Succeeded");
  if (awaiting?.step.type !== "wait-module" || !isDeployed) return undefined;
  // What was told stays told until it is over, also by an operator that starts meanwhile.
  if (conditionIn(live, "CacheReady")?.reason === MODULE_UNAVAILABLE) return "lasting";
  if (deps.waits.age(keyOf(live), undefined) < SHORT_MS) return "short";
  if (!hasServingPod(deps.view)) return "lasting";
  const daemonSet = await deps.port.get({ kind: Kinds.daemonSet, ...awaiting.step.cache }, signal);
  return daemonSet !== undefined && rolloutState(daemonSet).status === "done" ? "lasting" : "short";
}

/** True when a pod of the node cache answers proxies. */
export function hasServingPod(view: Pick<ClusterView, "pods" | "cache">): boolean {
  const { cache } = view;
  if (cache === undefined) return false;
  return view.pods.list({ namespace: cache.namespace }).some((pod) => isServing(pod, cache));
}

/** True for a pod of this node cache that answers proxies. */
export function isServing(pod: KubeObject, cache: { readonly name: string; readonly namespace: string }): boolean {
  const { namespace, labels = {} } = pod.metadata;
  return namespace === cache.namespace && hasLabels(labels, cachePodLabels(cache)) && isAlive(pod) && isReady(pod);
}

/** Milliseconds. */
const SHORT_MS = 60_000;
