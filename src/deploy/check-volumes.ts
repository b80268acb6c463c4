import { WasmeError } from "../domain/errors.ts";
import { isObject } from "../domain/json.ts";
import { Kinds } from "../kube/kinds.ts";
import { at, type KubeObject, listAt, stringAt, stringMapAt } from "../kube/objects.ts";
import { PROXY_CONTAINER } from "../mesh/gateway-volumes.ts";
import { inParallel } from "./in-parallel.ts";
import type { VolumeWait } from "./plan.ts";
import type { ClusterDeps } from "./request.ts";

/**
 * Looks whether every pod with a proxy has the volume with its image: an injector that does not know image volumes leaves
 * a volume without a source, which the server stores as an empty directory. Throws `IMAGE_VOLUME_LOST` (incompatible).
 */
export async function checkVolumes(deps: ClusterDeps, step: VolumeWait): Promise<void> {
  const namespaces = [...new Set(step.pods.map(({ namespace }) => namespace))];
  const lists = await inParallel(namespaces, (namespace) =>
    deps.port.list({ kind: Kinds.pod, namespace }, deps.signal),
  );
  const pods = lists.flatMap(({ items }) => items);
  const bad = pods.find((pod) => concerns(pod, step) && !hasImage(pod, step.volume));
  if (bad === undefined) return;
  const title = `pod ${bad.metadata.namespace ?? ""}/${bad.metadata.name}`;
  throw new WasmeError(
    "incompatible",
    "IMAGE_VOLUME_LOST",
    `${title} did not get the image as its volume ${step.volume}`,
    {
      hint: "this Istio's injector does not know image volumes: deploy with --delivery cache-http",
      details: { volume: step.volume, pod: bad.metadata.name },
    },
  );
}

function concerns(pod: KubeObject, { pods }: VolumeWait): boolean {
  if (pod.metadata.deletionTimestamp !== undefined || !hasProxy(pod)) return false;
  const labels = stringMapAt(pod, "metadata", "labels");
  return pods.some(
    ({ namespace, labels: wanted }) =>
      namespace === pod.metadata.namespace && Object.entries(wanted).every(([key, value]) => labels[key] === value),
  );
}

/** The proxy is a container, or, started before the application, an init container that stays. */
function hasProxy(pod: KubeObject): boolean {
  const containers = [...listAt(pod, "spec", "containers"), ...listAt(pod, "spec", "initContainers")];
  return containers.some((container) => stringAt(container, "name") === PROXY_CONTAINER);
}

function hasImage(pod: KubeObject, name: string): boolean {
  const volumes = listAt(pod, "spec", "volumes");
  return volumes.some(
    (volume) => isObject(volume) && volume["name"] === name && at(volume, "image", "reference") !== undefined,
  );
}
