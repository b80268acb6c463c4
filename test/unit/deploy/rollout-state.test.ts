import { describe, expect, it } from "vitest";
import { rolloutState } from "../../../src/deploy/rollout-state.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";

function live(kind: string, spec: object, status: object, generation = 2): KubeObject {
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { name: "web", generation },
    spec,
    status: { observedGeneration: 2, ...status },
  };
}

describe("rolloutState", () => {
  it.each(["Deployment", "DaemonSet", "StatefulSet"])(
    "believes no number of a %s before its controller saw the change",
    (kind) => {
      const full = { updatedReplicas: 1, replicas: 1, availableReplicas: 1, readyReplicas: 1 };
      expect(rolloutState(live(kind, { replicas: 1 }, full, 3)).status).toBe("progressing");
    },
  );

  it.each([
    [{ replicas: 3 }, "progressing", "0 of 3 pods updated"],
    [{ replicas: 4, updatedReplicas: 3, availableReplicas: 3 }, "progressing", "1 old pod left"],
    [{ replicas: 3, updatedReplicas: 3, availableReplicas: 1 }, "progressing", "1 of 3 updated pods available"],
    [{ replicas: 3, updatedReplicas: 3, availableReplicas: 3 }, "done", "3 pods run the new template"],
  ])("reads a Deployment with %j", (status, word, message) => {
    expect(rolloutState(live("Deployment", { replicas: 3 }, status))).toEqual({ status: word, message });
  });

  it("says why no pods can be made, until all is done", () => {
    const message = `pods "web-1" is forbidden: violates PodSecurity "baseline:latest"`;
    const conditions = [{ type: "ReplicaFailure", status: "True", message }];
    expect(rolloutState(live("Deployment", { replicas: 3 }, { conditions }))).toEqual({
      status: "progressing",
      message: `0 of 3 pods updated; no pods can be made: ${message}`,
    });
    const over = { conditions, replicas: 3, updatedReplicas: 3, availableReplicas: 3 };
    expect(rolloutState(live("Deployment", { replicas: 3 }, over)).status).toBe("done");
    const late = [{ type: "Progressing", reason: "ProgressDeadlineExceeded", message: "late" }, ...conditions];
    expect(rolloutState(live("Deployment", {}, { conditions: late })).message).toMatch(/^late; .*PodSecurity/u);
  });

  it("takes an exceeded progress deadline for failure", () => {
    const conditions = [{ type: "Progressing", reason: "ProgressDeadlineExceeded", message: "timed out progressing" }];
    expect(rolloutState(live("Deployment", {}, { conditions }))).toEqual({
      status: "failed",
      message: "timed out progressing",
    });
  });

  it.each([
    [{ desiredNumberScheduled: 2, updatedNumberScheduled: 1, numberAvailable: 2 }, "progressing"],
    [{ desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 1 }, "progressing"],
    [{ desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 2 }, "done"],
    [{ desiredNumberScheduled: 0 }, "done"],
  ])("reads a DaemonSet with %j", (status, word) => {
    expect(rolloutState(live("DaemonSet", {}, status)).status).toBe(word);
  });

  it.each([
    [{ updatedReplicas: 1, readyReplicas: 2, currentRevision: "a", updateRevision: "b" }, "progressing"],
    [{ updatedReplicas: 2, readyReplicas: 1, currentRevision: "a", updateRevision: "b" }, "progressing"],
    [{ updatedReplicas: 2, readyReplicas: 2, currentRevision: "a", updateRevision: "b" }, "progressing"],
    // With the roll-out over the controller drops the count of updated pods.
    [{ readyReplicas: 2, currentRevision: "b", updateRevision: "b" }, "done"],
  ])("reads a StatefulSet with %j", (status, word) => {
    expect(rolloutState(live("StatefulSet", { replicas: 2 }, status)).status).toBe(word);
  });

  it("is done at once when no pod is wanted", () => {
    expect(rolloutState(live("Deployment", { replicas: 0 }, {})).status).toBe("done");
  });
});
