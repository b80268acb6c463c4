import { createClusterView, type ClusterView } from "../../../src/operator/cluster-view.ts";
import { createCachedPort, type CachedPort } from "../../../src/operator/cached-port.ts";
import type { ResourceKind } from "../../../src/kube/kinds.ts";
import { resourceName } from "../../../src/kube/kinds.ts";
import type { KubeObject } from "../../../src/kube/objects.ts";
import type { KubePort, ObjectRef, WatchEvent } from "../../../src/kube/port.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { memoryLog } from "../../support/memory-log.ts";

/**
 * A server whose answers and news come in the order a test says: a real one decides that itself, and hardly ever in the
 * order that matters.
 */
export interface HandCluster {
  readonly view: ClusterView;
  readonly port: CachedPort;
  /** What the next write of each sort answers; by default what was sent, with the next version. */
  answer: (object: KubeObject) => Promise<KubeObject>;
  /** The next version. */
  version(): string;
  /** Tells the view, and resolves when it has heard. */
  tell(kind: ResourceKind, type: WatchEvent["type"], object: KubeObject): Promise<void>;
  stop(): Promise<void>;
}

/** Starts one that knows nothing, and waits until the view has seen that. */
export async function startHandCluster(): Promise<HandCluster> {
  const channels = new Map<string, (event: WatchEvent) => void>();
  let versions = 0;
  const version = (): string => String((versions += 1));
  const ending = new AbortController();
  const cluster = { answer: (object: KubeObject) => Promise.resolve(versioned(object, version())) };
  const live = {
    server: "https://server",
    fieldManager: "wasme-operator",
    namespace: "default",
    pages: async function* () {
      yield { items: [], resourceVersion: "0" };
    },
    watch: ({ kind }, _version, signal, opened) => {
      opened?.();
      return events(signal, (push) => channels.set(resourceName(kind), push));
    },
    get: () => Promise.resolve(undefined),
    list: () => Promise.resolve({ items: [], resourceVersion: "0" }),
    apply: (_kind, object) => cluster.answer(object),
    create: (_kind, object) => cluster.answer(object),
    patch: (ref) => cluster.answer(shell(ref)),
    jsonPatch: (ref) => cluster.answer(shell(ref)),
    delete: () => Promise.resolve(true),
    deleteAll: () => Promise.resolve(),
    version: () => Promise.resolve({ major: 1, minor: 36 }),
    served: () => Promise.resolve(true),
    kindsInNamespaces: () => Promise.resolve([]),
    accessReview: () => Promise.resolve(true),
    close: () => undefined,
  } satisfies KubePort;
  const view = createClusterView(
    { port: live, clock: systemClock, log: memoryLog() },
    { watchNamespaces: [], cache: { name: "wasme-cache", namespace: "wasme" } },
    () => undefined,
  );
  const running = Promise.all(view.all.map((kind) => kind.run(ending.signal)));
  await until(() => view.all.every((kind) => kind.settled && channels.has(resourceName(kind.kind))));
  return Object.assign(cluster, {
    view,
    port: createCachedPort({ live, view, clock: systemClock }),
    version,
    tell: async (kind: ResourceKind, type: WatchEvent["type"], object: KubeObject) => {
      const { name, namespace = "" } = object.metadata;
      const known = (): KubeObject | undefined => view.find(kind, namespace)?.get(namespace, name);
      channels.get(resourceName(kind))?.({ type, object });
      await until(() =>
        type === "DELETED"
          ? known() === undefined
          : known()?.metadata.resourceVersion === object.metadata.resourceVersion,
      );
    },
    stop: async () => {
      ending.abort();
      await running;
    },
  });
}

/** An object with another version. */
export function versioned(object: KubeObject, resourceVersion: string): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion } };
}

function shell({ kind, name, namespace }: ObjectRef): KubeObject {
  return {
    apiVersion: "v1",
    kind: kind.kind,
    metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
  };
}

async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((resolve) => setImmediate(resolve));
}

async function* events(
  signal: AbortSignal | undefined,
  connect: (push: (event: WatchEvent) => void) => void,
): AsyncGenerator<WatchEvent> {
  const waiting: WatchEvent[] = [];
  let wake: () => void = () => undefined;
  connect((event) => {
    waiting.push(event);
    wake();
  });
  signal?.addEventListener("abort", () => wake());
  for (;;) {
    const next = waiting.shift();
    if (signal?.aborted === true) return;
    if (next === undefined) await new Promise<void>((resolve) => (wake = resolve));
    else yield next;
  }
}
