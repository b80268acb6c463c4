import { isObject, type JsonObject } from "../domain/json.ts";
import { at, type KubeObject, stringMapAt } from "../kube/objects.ts";
import { mountedOnGateway } from "../mesh/gateway-volumes.ts";
import { mountedModules } from "../mesh/sidecar-annotations.ts";
import { isGateway, podCount, stuckReason } from "./live-workload.ts";
import { volumeOf } from "./our-objects.ts";
import { hasProxy, hasVolume, isImageVolume, selectPods } from "./pods.ts";
import { filesObstacle } from "./read-namespace.ts";
import { replicaFailure, rolloutState } from "./rollout-state.ts";
import { hasLabels, labelText } from "./select-workloads.ts";
import { withoutVolume } from "./status-operator.ts";
import { failed, ok, type StatusStep, unseen, waiting } from "./status-step.ts";
import type { SpaceSight } from "./status-survey.ts";

/** A filter's object, its workload, and what is needed to judge them. */
export interface PodQuestion {
  readonly object: KubeObject;
  readonly workload: KubeObject;
  /** `deployment/web`. */
  readonly title: string;
  readonly namespace: string;
  readonly space: SpaceSight;
  /** The command that brings this filter about anew. */
  readonly again: string;
}

/** The steps `security`, `template` and `rollout`, for a delivery by a volume. */
export function volumeSteps(question: PodQuestion): readonly StatusStep[] {
  const volume = volumeOf(question.object);
  if (volume === undefined) return [];
  const template = templateStep(question, volume);
  const security = securityStep(question);
  return [...(security === undefined ? [] : [security]), template, rolloutStep(question, volume)];
}

function securityStep({ object, namespace, space }: PodQuestion): StatusStep | undefined {
  if (isImageVolume(volumeOf(object) ?? "")) return undefined;
  if ("denied" in space.labels) return unseen("security", space.labels.denied);
  const obstacle = filesObstacle({ namespace, labels: space.labels.seen });
  if (obstacle === undefined) return ok("security", "the namespace lets hostPath volumes into pods");
  return failed("security", obstacle, withoutVolume(object));
}

function templateStep({ workload, title, again }: PodQuestion, volume: string): StatusStep {
  const spec = at(workload, "spec", "template", "spec");
  const mounted = isGateway(workload)
    ? mountedOnGateway(isObject(spec) ? (spec as JsonObject) : {})
    : mountedModules(stringMapAt(workload, "spec", "template", "metadata", "annotations"));
  if (mounted.includes(volume)) return ok("template", `the pod template of ${title} mounts ${volume}`);
  return failed("template", `the pod template of ${title} does not mount the volume ${volume}`, again);
}

function rolloutStep({ object, workload, title, namespace, space }: PodQuestion, volume: string): StatusStep {
  const state = rolloutState(workload);
  const look = `kubectl rollout status ${title} -n ${namespace}; kubectl get events -n ${namespace}`;
  const stuck = stuckReason(workload);
  if (state.status !== "done" && stuck !== undefined) {
    return failed("rollout", `${state.message}, and ${title} will not go on: ${stuck.why}`, stuck.hint);
  }
  const refusal = replicaFailure(workload);
  if (refusal !== undefined) return failed("rollout", `no pods can be made: ${refusal}`, look);
  if (state.status === "failed") return failed("rollout", state.message, look);
  if (state.status === "progressing") return waiting("rollout", state.message, look);
  if ("denied" in space.pods) return unseen("rollout", space.pods.denied);
  const proxied = selectedPods(object, space.pods.seen).filter(hasProxy);
  const without = proxied.filter((pod) => !hasVolume(pod, volume));
  const [first] = without;
  if (first === undefined) return ok("rollout", state.message);
  const count = `${without.length} of ${proxied.length} pods lack the volume ${volume}, such as ${first.metadata.name}`;
  return failed(
    "rollout",
    count,
    `kubectl rollout restart ${title} -n ${namespace}; is Istio's injector at work there?`,
  );
}

/** The step `sidecars`. */
export function sidecarStep({ object, workload, title, namespace, space, again }: PodQuestion): StatusStep {
  if ("denied" in space.pods) return unseen("sidecars", space.pods.denied);
  const pods = selectedPods(object, space.pods.seen);
  const selector = labelText(selectorOf(object));
  if (pods.length === 0) {
    const labels = stringMapAt(workload, "spec", "template", "metadata", "labels");
    if (!hasLabels(labels, selectorOf(object))) {
      const message = `its selector ${selector} matches no pod: the labels of ${title}'s pods changed`;
      return failed("sidecars", message, again);
    }
    if (podCount(workload) === 0) return ok("sidecars", `${title} is scaled to 0: no pod to run it`);
    return waiting("sidecars", `no pod of ${title} is there yet`, `kubectl get pods -n ${namespace} -l ${selector}`);
  }
  const bare = pods.filter((pod) => !hasProxy(pod));
  const [first] = bare;
  if (first === undefined) return ok("sidecars", `${pods.length}/${pods.length} pods have a proxy`);
  const message = `${bare.length} of ${pods.length} pods have no proxy, such as ${first.metadata.name}`;
  return failed("sidecars", message, injectionFix({ title, namespace, space }));
}

/** Without a label on the namespace nothing is injected there; with one, only pods made later are. */
function injectionFix({ title, namespace, space }: Pick<PodQuestion, "title" | "namespace" | "space">): string {
  const labels = "seen" in space.labels ? space.labels.seen : {};
  const restart = `kubectl rollout restart ${title} -n ${namespace}`;
  if (labels["istio-injection"] === "enabled" || labels["istio.io/rev"] !== undefined) return restart;
  return `kubectl label namespace ${namespace} istio-injection=enabled --overwrite && ${restart}`;
}

/** The pods of the object's selector that run, or will. */
export function selectedPods(object: KubeObject, pods: readonly KubeObject[]): readonly KubeObject[] {
  return selectPods(pods, [{ namespace: object.metadata.namespace ?? "", labels: selectorOf(object) }]);
}

/** The labels by which an object of any of the kinds selects pods. */
function selectorOf(object: KubeObject): Readonly<Record<string, string>> {
  const labels = stringMapAt(object, "spec", "workloadSelector", "labels");
  return Object.keys(labels).length > 0 ? labels : stringMapAt(object, "spec", "selector", "matchLabels");
}
