import { at, type KubeObject, listAt, numberAt, stringAt } from "../kube/objects.ts";

/**
 * All of a pod that waits go by: where it runs or is meant to, since when, whether it has a proxy, a volume, and is
 * ready or what keeps it from that. A cluster has many pods, and most of a pod is nothing of that.
 */
export function podFacts(object: KubeObject): KubeObject {
  const { apiVersion, kind, metadata } = object;
  const { name, namespace, labels, resourceVersion, uid, deletionTimestamp } = metadata;
  const creationTimestamp = at(metadata, "creationTimestamp");
  const kept = { name, namespace, labels, resourceVersion, uid, creationTimestamp, deletionTimestamp };
  const nodeName = stringAt(object, "spec", "nodeName") ?? "";
  return {
    apiVersion,
    kind,
    metadata: { ...present(kept), ...injected(object) } as unknown as KubeObject["metadata"],
    spec: present({
      nodeName,
      // A DaemonSet's pod that finds no place says here which node it is for.
      affinity: nodeName === "" ? at(object, "spec", "affinity") : undefined,
      volumes: at(object, "spec", "volumes"),
      containers: namesOf(object, "containers"),
      initContainers: namesOf(object, "initContainers"),
    }),
    status: present({
      phase: at(object, "status", "phase"),
      conditions: at(object, "status", "conditions"),
      containerStatuses: troubles(object),
    }),
  };
}

/** That Istio's injector was there; what it wrote is long. */
function injected({ metadata }: KubeObject): object {
  return metadata.annotations?.[INJECTED] === undefined ? {} : { annotations: { [INJECTED]: "" } };
}

/** Of containers that are well nothing is kept. */
function troubles(pod: KubeObject): readonly object[] | undefined {
  const found = listAt(pod, "status", "containerStatuses").flatMap((container) => {
    const reason = stringAt(container, "state", "waiting", "reason");
    const restartCount = Math.min(numberAt(container, ["restartCount"]), 1);
    if (at(container, "ready") === true || (reason === undefined && restartCount === 0)) return [];
    return [{ restartCount, ...(reason === undefined ? {} : { state: { waiting: { reason } } }) }];
  });
  return found.length === 0 ? undefined : found;
}

function namesOf(pod: KubeObject, list: string): readonly object[] | undefined {
  const containers = listAt(pod, "spec", list);
  return containers.length === 0 ? undefined : containers.map((container) => ({ name: at(container, "name") }));
}

function present(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

const INJECTED = "sidecar.istio.io/status";
