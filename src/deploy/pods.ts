import { isObject } from "../domain/json.ts";
import { at, type KubeObject, listAt, stringAt } from "../kube/objects.ts";
import { PROXY_CONTAINER } from "../mesh/gateway-volumes.ts";
import { MODULE_VOLUME } from "../mesh/module-path.ts";
import type { PodSelection } from "./plan.ts";
import { indexSelectors } from "./selector-index.ts";

/** True for a pod that runs, or will: one that was evicted or ended stays in lists for long. */
export function isAlive(pod: KubeObject): boolean {
  const phase = stringAt(pod, "status", "phase");
  return pod.metadata.deletionTimestamp === undefined && phase !== "Succeeded" && phase !== "Failed";
}

/** Those pods that live, and that one of the selections takes. */
export function selectPods(pods: readonly KubeObject[], selections: readonly PodSelection[]): readonly KubeObject[] {
  const matching = indexSelectors(selections, ({ labels }) => labels);
  return pods.filter((pod) => {
    if (!isAlive(pod)) return false;
    const { namespace, labels = {} } = pod.metadata;
    return matching(labels).some((selection) => selection.namespace === namespace);
  });
}

/**
 * True for a pod with a proxy: injected, or, in a gateway, its own container. The proxy is a container, or, started before
 * the application, an init container that stays.
 */
export function hasProxy(pod: KubeObject): boolean {
  if (pod.metadata.annotations?.["sidecar.istio.io/status"] !== undefined) return true;
  const containers = [...listAt(pod, "spec", "containers"), ...listAt(pod, "spec", "initContainers")];
  return containers.some((container) => stringAt(container, "name") === PROXY_CONTAINER);
}

/** True for a pod with this volume of ours. An image volume without its image is what an injector makes that does not know them. */
export function hasVolume(pod: KubeObject, name: string): boolean {
  const found = volumeIn(at(pod, "spec"), name);
  if (found === undefined) return false;
  return isImageVolume(name) ? at(found, "image", "reference") !== undefined : true;
}

/** True for the name of a volume that an image is. */
export function isImageVolume(name: string): boolean {
  return name.startsWith("wasme-image-");
}

/** True when a cache's pods of this spec keep modules as files on their nodes, not in a directory that goes with the pod. */
export function keepsFiles(podSpec: unknown): boolean {
  return at(volumeIn(podSpec, MODULE_VOLUME), "hostPath") !== undefined;
}

function volumeIn(podSpec: unknown, name: string): unknown {
  return listAt(podSpec, "volumes").find((volume) => isObject(volume) && volume["name"] === name);
}
