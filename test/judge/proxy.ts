import type { JudgeClock } from "./clock.ts";
import { type FetchDeps, fetchModule } from "./fetch-module.ts";
import type { Resolve } from "./http-get.ts";
import { pullModule } from "./image-pull.ts";
import { InOrder } from "./in-order.ts";
import type { KubeObject } from "./kube.ts";
import type { Ledger } from "./ledger.ts";
import { type Disks, fileObstacle, type Mount, prepareVolumes } from "./volumes.ts";
import type { FilterObject, Wanted } from "./wanted.ts";

/** What all proxies share. */
export interface ProxyWorld {
  readonly clock: JudgeClock;
  readonly random: () => number;
  readonly ledger: Ledger;
  readonly disks: Disks;
  /** Where a connection from this node goes. */
  readonly resolveFrom: (node: string) => Resolve;
  /** Milliseconds until a push of the control plane reaches a proxy, drawn anew for each. */
  readonly pushDelay: () => number;
}

/**
 * One sidecar: the agent with its module cache, and the Envoy behind it. It asks at its start, for each object that is
 * pushed to it, and at no other time: what was refused stays refused. The index of what it fetched lives in memory, so
 * a restart forgets it. One push is worked off after the other; a push waits for its slowest module.
 */
export class FakeProxy {
  readonly pod: KubeObject;
  readonly #node: string;
  readonly #mounts: readonly Mount[];
  readonly #world: ProxyWorld;
  readonly #objects = new Map<string, FilterObject>();
  readonly #dirty = new Set<string>();
  readonly #fetched = new Set<string>();
  #life = new AbortController();
  #state: "starting" | "idle" | "working" | "stopped" = "starting";
  readonly #pushes: InOrder;

  constructor(pod: KubeObject, place: { readonly node: string; readonly mounts: readonly Mount[] }, world: ProxyWorld) {
    this.pod = pod;
    this.#node = place.node;
    this.#mounts = place.mounts;
    this.#world = world;
    this.#pushes = new InOrder(world.clock, world.pushDelay);
    world.ledger.sawPod(pod.metadata.uid);
    void this.#start();
  }

  /** An object is there at its start or has changed; a start does not wait for a push. */
  set(object: FilterObject, when: "start" | "push"): void {
    this.#deliver(when, () => {
      if (this.#objects.get(object.title)?.version === object.version) return;
      const before = this.#objects.get(object.title);
      this.#objects.set(object.title, object);
      this.#dirty.add(object.title);
      this.#readListenerAgain(before, object);
    });
  }

  drop(title: string): void {
    this.#deliver("push", () => {
      const before = this.#objects.get(title);
      this.#objects.delete(title);
      this.#dirty.delete(title);
      this.#readListenerAgain(before);
    });
  }

  /** The container restarts: everything is asked for anew, what was under way ends without a verdict. */
  restart(): void {
    if (this.#state === "stopped" || this.#state === "starting") return;
    this.#world.ledger.restarts += 1;
    this.#life.abort();
    this.#life = new AbortController();
    this.#fetched.clear();
    for (const title of this.#objects.keys()) this.#dirty.add(title);
    this.#state = "idle";
    this.#wake();
  }

  stop(): void {
    this.#state = "stopped";
    this.#life.abort();
  }

  /** True while a verdict is to come; a pod without its volumes is not there yet. */
  busy(): boolean {
    if (this.#state === "stopped" || this.#state === "starting") return false;
    return this.#pushes.length > 0 || this.#state === "working";
  }

  /** Pushes overtake each other never. */
  #deliver(when: "start" | "push", act: () => void): void {
    if (when === "start") this.#now(act);
    else this.#pushes.add(() => this.#now(act));
  }

  #now(act: () => void): void {
    if (this.#state === "stopped") return;
    act();
    this.#wake();
  }

  /** A listener that changes is built anew: Envoy reads the files of all its filters. */
  #readListenerAgain(...changed: readonly (FilterObject | undefined)[]): void {
    if (!changed.some((object) => object?.wanted.some(isInListener))) return;
    for (const [title, object] of this.#objects) {
      if (object.wanted.some(isInListener)) this.#dirty.add(title);
    }
  }

  async #start(): Promise<void> {
    const { clock, disks } = this.#world;
    for (let pause = 500; ; pause = Math.min(2 * pause, 10_000)) {
      try {
        await prepareVolumes(disks, this.#node, this.#mounts);
        break;
      } catch {
        await clock.sleep(pause); // the pod stays in ContainerCreating
      }
      if (this.#life.signal.aborted) return;
    }
    if (this.#state !== "starting") return;
    this.#state = "idle";
    this.#wake();
  }

  #wake(): void {
    if (this.#state !== "idle" || this.#dirty.size === 0) return;
    this.#state = "working";
    void this.#work(this.#life.signal);
  }

  async #work(life: AbortSignal): Promise<void> {
    while (this.#dirty.size > 0) {
      const titles = [...this.#dirty];
      this.#dirty.clear();
      const objects = titles.flatMap((title) => this.#objects.get(title) ?? []);
      await Promise.all(objects.map((object) => this.#ask(object, life)));
      if (life.aborted) return;
    }
    this.#state = "idle";
  }

  async #ask(object: FilterObject, life: AbortSignal): Promise<void> {
    const { ledger, clock } = this.#world;
    const { uid, namespace = "", name } = this.pod.metadata;
    const question = {
      podUid: uid,
      pod: `${namespace}/${name}`,
      node: this.#node,
      object: object.title,
      version: object.version,
    };
    const trace = [`${Math.round(clock.now())} asks`];
    const reasons = await Promise.all(object.wanted.map((wanted) => this.#obstacle(wanted, life, trace)));
    if (life.aborted) return;
    const reason = reasons.find((found) => found !== undefined);
    if (reason === undefined) ledger.served(question);
    else ledger.refused(question, reason, trace);
  }

  /** Why the proxy does not get what it wants; undefined when it does. */
  async #obstacle(wanted: Wanted, life: AbortSignal, trace: string[]): Promise<string | undefined> {
    const { source, sha256, timeoutMs } = wanted;
    if (source.way === "broken") return source.reason;
    const { clock, random, ledger, resolveFrom, disks } = this.#world;
    if (source.way === "file") return fileObstacle(disks, { node: this.#node, mounts: this.#mounts }, source.path);
    if (sha256 !== undefined && this.#fetched.has(`${source.url} ${sha256}`)) return undefined;
    const resolve: Resolve = (host, port) => {
      const place = resolveFrom(this.#node)(host, port);
      trace.push(`${Math.round(clock.now())} ${host} is ${place === undefined ? "nowhere" : place.port}`);
      return place;
    };
    const deps: FetchDeps = {
      clock,
      random,
      resolve,
      gone: life,
      onAttempt: (what) => {
        ledger.requests += 1;
        trace.push(`${Math.round(clock.now())} ${what}`);
      },
    };
    const fetch = source.way === "http" ? fetchModule : pullModule;
    const outcome = await fetch(deps, { url: source.url, sha256, timeoutMs });
    if (!outcome.ok) return outcome.reason;
    if (!life.aborted) this.#fetched.add(`${source.url} ${sha256 ?? outcome.sha256}`);
    return undefined;
  }
}

function isInListener({ source }: Wanted): boolean {
  return source.way === "file" && source.inListener;
}
