import { WasmeError } from "../domain/errors.ts";
import { Kinds } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import { inParallel } from "./in-parallel.ts";
import type { VolumeWait } from "./plan.ts";
import { hasProxy, hasVolume, isImageVolume, selectPods } from "./pods.ts";
import type { ClusterDeps } from "./request.ts";

/**
 * Looks whether every pod with a proxy has the volume its module is in. An injector that does not know image volumes leaves
 * one without a source, which the server stores as an empty directory: `IMAGE_VOLUME_LOST` (incompatible). A pod may also
 * have been made while somebody had taken the volume out of its template: `VOLUME_LOST` (failed).
 */
export async function checkVolumes(deps: ClusterDeps, step: VolumeWait): Promise<void> {
  const namespaces = [...new Set(step.pods.map(({ namespace }) => namespace))];
  const lists = await inParallel(namespaces, (namespace) =>
    deps.port.list({ kind: Kinds.pod, namespace }, deps.signal),
  );
  const pods = selectPods(
    lists.flatMap(({ items }) => items),
    step.pods,
  );
  const bad = pods.find((pod) => hasProxy(pod) && !hasVolume(pod, step.volume));
  if (bad !== undefined) throw lost(bad, step.volume);
}

function lost(pod: KubeObject, volume: string): WasmeError {
  const { name, namespace = "" } = pod.metadata;
  const title = `pod ${namespace}/${name}`;
  const details = { volume, pod: name };
  if (isImageVolume(volume)) {
    const message = `${title} did not get the image as its volume ${volume}`;
    const hint = "this Istio's injector does not know image volumes: deploy with --delivery cache-http";
    return new WasmeError("incompatible", "IMAGE_VOLUME_LOST", message, { hint, details });
  }
  return new WasmeError("failed", "VOLUME_LOST", `${title} has a proxy, but not its volume ${volume}`, {
    hint: "run the same command again: it mounts the volume; if that changes nothing, is Istio's injector at work there?",
    details,
  });
}
