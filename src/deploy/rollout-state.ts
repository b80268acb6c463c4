import { isObject } from "../domain/json.ts";
import { type KubeObject, listAt, numberAt, stringAt } from "../kube/objects.ts";

/** How far a roll-out is; `failed` will not get better by waiting. */
export interface RolloutState {
  readonly status: "progressing" | "done" | "failed";
  /** `2 of 3 pods updated`. */
  readonly message: string;
}

/** The state of a workload's roll-out, by the rules of `kubectl rollout status`. */
export function rolloutState(live: KubeObject): RolloutState {
  if (numberAt(live, ["status", "observedGeneration"]) < numberAt(live, ["metadata", "generation"])) {
    return progressing("the controller has not seen the change yet");
  }
  if (live.kind === "DaemonSet") return daemonSetState(live);
  if (live.kind === "StatefulSet") return statefulSetState(live);
  const state = deploymentState(live);
  const refusal = replicaFailure(live);
  if (state.status === "done" || refusal === undefined) return state;
  return { ...state, message: `${state.message}; no pods can be made: ${refusal}` };
}

function deploymentState(live: KubeObject): RolloutState {
  const stuck = listAt(live, "status", "conditions").find(
    (condition) =>
      isObject(condition) && condition["type"] === "Progressing" && condition["reason"] === "ProgressDeadlineExceeded",
  );
  if (stuck !== undefined) {
    return { status: "failed", message: stringAt(stuck, "message") ?? "its progress deadline is exceeded" };
  }
  const wanted = numberAt(live, ["spec", "replicas"], 1);
  const updated = numberAt(live, ["status", "updatedReplicas"]);
  const old = numberAt(live, ["status", "replicas"]) - updated;
  const available = numberAt(live, ["status", "availableReplicas"]);
  if (updated < wanted) return progressing(`${updated} of ${wanted} pods updated`);
  if (old > 0) return progressing(`${old} old ${old === 1 ? "pod" : "pods"} left`);
  if (available < updated) return progressing(`${available} of ${updated} updated pods available`);
  return done(wanted);
}

function daemonSetState(live: KubeObject): RolloutState {
  const wanted = numberAt(live, ["status", "desiredNumberScheduled"]);
  const updated = numberAt(live, ["status", "updatedNumberScheduled"]);
  const available = numberAt(live, ["status", "numberAvailable"]);
  if (updated < wanted) return progressing(`${updated} of ${wanted} pods updated`);
  if (available < wanted) return progressing(`${available} of ${wanted} updated pods available`);
  return done(wanted);
}

function statefulSetState(live: KubeObject): RolloutState {
  const wanted = numberAt(live, ["spec", "replicas"], 1);
  const updated = numberAt(live, ["status", "updatedReplicas"]);
  const ready = numberAt(live, ["status", "readyReplicas"]);
  const current = stringAt(live, "status", "currentRevision");
  const newest = stringAt(live, "status", "updateRevision");
  // Once all pods are new the controller makes the new revision the current one and stops counting the updated ones.
  if (current !== newest && updated < wanted) return progressing(`${updated} of ${wanted} pods updated`);
  if (ready < wanted) return progressing(`${ready} of ${wanted} pods ready`);
  if (current !== newest) return progressing("the last pod is being updated");
  return done(wanted);
}

function progressing(message: string): RolloutState {
  return { status: "progressing", message };
}

function done(pods: number): RolloutState {
  return { status: "done", message: `${pods} ${pods === 1 ? "pod runs" : "pods run"} the new template` };
}

/** What the server says to the workload's controller, which makes its pods; `undefined` when it refuses none. */
export function replicaFailure(live: KubeObject): string | undefined {
  const condition = listAt(live, "status", "conditions").find(
    (one) => isObject(one) && one["type"] === "ReplicaFailure" && one["status"] === "True",
  );
  return condition === undefined ? undefined : (stringAt(condition, "message") ?? "the server refuses them");
}
