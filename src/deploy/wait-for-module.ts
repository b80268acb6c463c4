import { type Digest, shortDigest } from "../domain/digest.ts";
import { WasmeError } from "../domain/errors.ts";
import { follow } from "../kube/follow.ts";
import { Kinds } from "../kube/kinds.ts";
import { type KubeObject, numberAt } from "../kube/objects.ts";
import { withDeadline } from "./deadline.ts";
import type { ClusterDeps } from "./request.ts";
import { rolloutState } from "./rollout-state.ts";

/** Which module must be on the nodes, and by which cache. */
export interface ModuleRequest {
  readonly moduleDigest: Digest;
  readonly cache: { readonly namespace: string; readonly name: string };
  /** Milliseconds; 0 does not wait. */
  readonly timeoutMs: number;
}

/**
 * Waits until every node holds the module, so that no proxy is told of a file it does not have. Today the proof is
 * that all pods of the cache's DaemonSet are ready, which they are once they hold what the ConfigMap lists.
 * Throws `MODULE_NOT_READY` (failed) when the time is over.
 */
export async function waitForModule(deps: ClusterDeps, request: ModuleRequest): Promise<void> {
  const { moduleDigest, cache, timeoutMs } = request;
  if (timeoutMs === 0) return;
  const { clock, signal, events } = deps;
  let said = "";
  const late = (): Error => notReady(request, said);
  await withDeadline({ clock, ms: timeoutMs, signal, late }, async (both) => {
    const selection = {
      kind: Kinds.daemonSet,
      namespace: cache.namespace,
      fieldSelector: `metadata.name=${cache.name}`,
    };
    for await (const objects of follow(deps, selection, both)) {
      const live = objects.get(cache.name);
      const text = nodesText(live);
      if (text !== said) events({ type: "milestone", message: `module ${shortDigest(moduleDigest)}: ${text}` });
      said = text;
      if (live !== undefined && rolloutState(live).status === "done") return;
    }
  });
}

function nodesText(live: KubeObject | undefined): string {
  if (live === undefined) return "the node cache is not there";
  const ready = numberAt(live, ["status", "numberAvailable"]);
  return `${ready} of ${numberAt(live, ["status", "desiredNumberScheduled"])} nodes ready`;
}

function notReady(request: ModuleRequest, said: string): WasmeError {
  const { cache, timeoutMs, moduleDigest } = request;
  const where = `the node cache ${cache.namespace}/${cache.name}`;
  return new WasmeError("failed", "MODULE_NOT_READY", `${where} was not ready after ${timeoutMs / 1000} s: ${said}`, {
    hint: `kubectl get pods -n ${cache.namespace} -o wide; --cache-timeout waits longer, 0 does not wait`,
    details: { moduleDigest },
  });
}
