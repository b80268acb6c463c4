import { machineClock } from "./clock.ts";
import { type Resolve } from "./http-get.ts";
import { pullFiles } from "./image-pull.ts";
import { InOrder } from "./in-order.ts";
import { type KubeObject, readAddress, watchAll } from "./kube.ts";
import { Ledger, type Report } from "./ledger.ts";
import { FakeProxy, type ProxyWorld } from "./proxy.ts";
import { createServices, serviceOf } from "./services.ts";
import { type Disks, mountsOf } from "./volumes.ts";
import { at, type FilterObject, readFilterObject, selects } from "./wanted.ts";

/** What the judge is told at its start. */
export interface JudgeSettings {
  readonly kubeconfig: string;
  /** Folder with the root of each node's disk, by node name. */
  readonly disks: string;
  /** Only pods in these namespaces have a proxy; absent: all of them. */
  readonly namespaces?: readonly string[];
  /** Start of all random choices. */
  readonly seed: number;
  /** Every so many milliseconds a random proxy restarts; absent: none does. */
  readonly restartEveryMs?: number;
  /** A push of the control plane takes up to so long to a proxy; default 0. */
  readonly pushDelayMs?: number;
  /** One push in twenty takes up to so long instead. */
  readonly slowPushMs?: number;
  /** A change of EndpointSlices takes up to so long to the nodes' routes; default 0. */
  readonly routeDelayMs?: number;
}

/** A judge that has seen everything there is. */
export interface Judge {
  /** Where the processes of pods (`namespace/name`) listen, `host:port`; null takes one away. */
  addresses(changes: Readonly<Record<string, string | null>>): void;
  /** Restarts so many proxies, chosen at random. */
  restart(count: number): void;
  /** Of all objects, or those of one namespace. */
  report(namespace?: string): Report;
}

const EXTENSIONS = "/apis/extensions.istio.io/v1alpha1";
const KINDS: readonly (readonly [string, string])[] = [
  ["WasmPlugin", `${EXTENSIONS}/wasmplugins`],
  ["TrafficExtension", `${EXTENSIONS}/trafficextensions`],
  ["EnvoyFilter", "/apis/networking.istio.io/v1alpha3/envoyfilters"],
];

/** Follows the cluster with one fake proxy for each pod, until the process ends. */
export async function startJudge(settings: JudgeSettings): Promise<Judge> {
  const random = randomFrom(settings.seed);
  const ledger = new Ledger(() => machineClock.now());
  const services = createServices();
  const places = new Map<string, { readonly host: string; readonly port: number }>();
  const resolveFrom = routes({ services, places, random });
  const world: ProxyWorld = {
    clock: machineClock,
    random,
    ledger,
    disks: createDisks(settings.disks, { random, resolveFrom, ledger }),
    resolveFrom,
    pushDelay: () => {
      const { pushDelayMs = 0, slowPushMs = pushDelayMs } = settings;
      return random() * (random() < 0.05 ? slowPushMs : pushDelayMs);
    },
  };
  const stage = createStage(world, settings.namespaces);
  const address = await readAddress(settings.kubeconfig);
  await watchAll(address, "/api/v1/nodes", {
    changed: ({ metadata }) => ledger.sawNode(metadata.name),
    gone: () => undefined,
  });
  const lagging = new InOrder(machineClock, () => random() * (settings.routeDelayMs ?? 0));
  await watchAll(address, "/apis/discovery.k8s.io/v1/endpointslices", {
    changed: (slice) => lagging.add(() => services.changed(slice)),
    gone: (slice) => lagging.add(() => services.gone(slice)),
  });
  for (const [kind, path] of KINDS) {
    await watchAll(address, path, {
      changed: (object) => stage.object(readFilterObject(kind, object)),
      gone: (object) => stage.objectGone(readFilterObject(kind, object)),
    });
  }
  await watchAll(address, "/api/v1/pods", {
    changed: (pod) => stage.pod(pod),
    gone: (pod) => stage.podGone(pod),
  });
  const restart = (count: number): void => {
    for (let left = count; left > 0; left -= 1) {
      const all = stage.proxies();
      all[Math.floor(random() * all.length)]?.restart();
    }
  };
  if (settings.restartEveryMs !== undefined) setInterval(() => restart(1), settings.restartEveryMs);
  return {
    addresses: (changes) => {
      for (const [pod, text] of Object.entries(changes)) {
        const [host = "", port = ""] = text?.split(":") ?? [];
        if (text === null) places.delete(pod);
        else places.set(pod, { host, port: Number(port) });
      }
    },
    restart,
    report: (namespace) => ledger.report(stage.proxies().filter((proxy) => proxy.busy()).length, namespace),
  };
}

/** A Service's name leads to the process of one of its pods; an address leads where it says. */
function routes(known: {
  readonly services: ReturnType<typeof createServices>;
  readonly places: ReadonlyMap<string, { readonly host: string; readonly port: number }>;
  readonly random: () => number;
}): (node: string) => Resolve {
  const { services, places, random } = known;
  return (node) => (host, port) => {
    const service = serviceOf(host);
    if (service === undefined) return { host, port };
    const pods = port === 80 ? (services.backends(service, node) ?? []) : [];
    return places.get(pods[Math.floor(random() * pods.length)] ?? "");
  };
}

/** A kubelet pulls an image once for its node. */
function createDisks(
  root: string,
  deps: { readonly random: () => number; readonly resolveFrom: (node: string) => Resolve; readonly ledger: Ledger },
): Disks {
  const pulled = new Map<string, ReadonlyMap<string, Buffer>>();
  const { random, resolveFrom } = deps;
  return {
    root,
    image: async (node, reference) => {
      const key = `${node} ${reference}`;
      const gone = new AbortController().signal;
      const files =
        pulled.get(key) ??
        (await pullFiles({ clock: machineClock, random, resolve: resolveFrom(node), gone }, reference));
      pulled.set(key, files);
      return files;
    },
  };
}

interface Stage {
  pod(pod: KubeObject): void;
  podGone(pod: KubeObject): void;
  object(object: FilterObject): void;
  objectGone(object: FilterObject): void;
  proxies(): readonly FakeProxy[];
}

/** Brings pods and the objects that select them together. */
function createStage(world: ProxyWorld, namespaces: readonly string[] | undefined): Stage {
  const proxies = new Map<string, FakeProxy>();
  const objects = new Map<string, FilterObject>();
  const stop = (pod: KubeObject): void => {
    proxies.get(pod.metadata.uid)?.stop();
    proxies.delete(pod.metadata.uid);
  };
  return {
    pod: (pod) => {
      const { uid, namespace = "", deletionTimestamp } = pod.metadata;
      const node = at(pod, "spec", "nodeName");
      const over =
        deletionTimestamp !== undefined || ["Succeeded", "Failed"].includes(String(at(pod, "status", "phase")));
      if (over) return stop(pod);
      if (typeof node !== "string" || proxies.has(uid) || namespaces?.includes(namespace) === false) return;
      const mounts = mountsOf(pod);
      if (mounts === undefined) return; // the injector refused the pod
      const proxy = new FakeProxy(pod, { node, mounts }, world);
      proxies.set(uid, proxy);
      for (const object of objects.values()) {
        if (selects(object, pod)) proxy.set(object, "start");
      }
    },
    podGone: stop,
    object: (object) => {
      if (objects.get(object.title)?.version === object.version) return;
      const before = objects.get(object.title);
      objects.set(object.title, object);
      world.ledger.sawVersion(object.version, object.title);
      for (const proxy of proxies.values()) {
        if (selects(object, proxy.pod)) proxy.set(object, "push");
        else if (before !== undefined && selects(before, proxy.pod)) proxy.drop(object.title);
      }
    },
    objectGone: (object) => {
      objects.delete(object.title);
      for (const proxy of proxies.values()) {
        if (selects(object, proxy.pod)) proxy.drop(object.title);
      }
    },
    proxies: () => [...proxies.values()],
  };
}

/** From 0 to below 1, the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
