import type { KubeObject } from "./kube.ts";

interface Endpoint {
  readonly addresses?: readonly string[];
  readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };
  readonly hints?: { readonly forNodes?: readonly { readonly name: string }[] };
  readonly nodeName?: string;
  readonly targetRef?: { readonly name: string; readonly namespace: string };
}

const SERVICE_LABEL = "kubernetes.io/service-name";

/** What kube-proxy makes of the EndpointSlices, node by node. */
export interface Services {
  changed(slice: KubeObject): void;
  gone(slice: KubeObject): void;
  /**
   * The pods (`namespace/name`) among which a connection from this node to a Service goes: those that are hinted to the
   * node when there are any, else all that are ready, else those that still serve while they end. Empty: the connection
   * is refused. Undefined: no such Service.
   */
  backends(service: { readonly namespace: string; readonly name: string }, node: string): readonly string[] | undefined;
}

/** Starts with no Service. */
export function createServices(): Services {
  const slices = new Map<string, Map<string, KubeObject>>();
  const keyOf = (slice: KubeObject): string =>
    `${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_LABEL] ?? ""}`;
  return {
    changed: (slice) => {
      const key = keyOf(slice);
      const all = slices.get(key) ?? new Map<string, KubeObject>();
      slices.set(key, all.set(slice.metadata.uid, slice));
    },
    gone: (slice) => void slices.get(keyOf(slice))?.delete(slice.metadata.uid),
    backends: ({ namespace, name }, node) => {
      const found = slices.get(`${namespace}/${name}`);
      if (found === undefined) return undefined;
      const endpoints = [...found.values()].flatMap(({ endpoints: list }) => (list ?? []) as readonly Endpoint[]);
      return choose(endpoints, node).flatMap(({ targetRef }) =>
        targetRef === undefined ? [] : [`${targetRef.namespace}/${targetRef.name}`],
      );
    },
  };
}

function choose(endpoints: readonly Endpoint[], node: string): readonly Endpoint[] {
  const ready = endpoints.filter(({ conditions }) => conditions?.ready !== false);
  const hinted = ready.every(({ hints }) => (hints?.forNodes ?? []).length > 0)
    ? ready.filter(({ hints }) => hints?.forNodes?.some(({ name }) => name === node))
    : [];
  if (hinted.length > 0) return hinted;
  if (ready.length > 0) return ready;
  return endpoints.filter(({ conditions }) => conditions?.serving === true && conditions.terminating === true);
}

/** The Service a host name of the cluster means; undefined for names and addresses outside it. */
export function serviceOf(host: string): { readonly name: string; readonly namespace: string } | undefined {
  const match = /^(?<name>[a-z0-9-]+)\.(?<namespace>[a-z0-9-]+)(?:\.svc(?:\.cluster\.local)?)?\.?$/u.exec(host);
  const { name, namespace } = match?.groups ?? {};
  return name === undefined || namespace === undefined || /^\d+$/u.test(name) ? undefined : { name, namespace };
}
