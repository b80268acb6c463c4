import type { StoreChange } from "../controller/reflector.ts";
import { type ResourceKind, resourceName } from "../kube/kinds.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { ObjectRef, Selection } from "../kube/port.ts";
import type { ClusterView } from "./cluster-view.ts";

/** What a request of ours brought. */
export interface Overlay {
  /** As the server answered; `undefined`: it is gone. */
  readonly object: KubeObject | undefined;
  readonly ref: ObjectRef;
}

/** A request that is under way. */
export interface Asked {
  readonly ref: ObjectRef;
  /** What the view was told of the object meanwhile: the news may come before the answer. */
  news?: StoreChange;
}

/**
 * What we wrote and the view has not seen yet. An answer counts until the view is told of this state of the object or of
 * a later one, and no longer: what happens to the object after that is for the view alone to tell.
 */
export class Written {
  readonly #view: ClusterView;
  readonly #overlays = new Map<string, Overlay>();
  readonly #asked = new Map<string, Set<Asked>>();
  readonly #stale = new Set<string>();
  /** The last version we wrote of each object that is there. */
  readonly #own = new Map<string, string>();

  constructor(view: ClusterView) {
    this.#view = view;
    for (const one of view.all) one.onChange((change) => this.#heard(one.kind, change));
  }

  /** Sends a request about an object and keeps its answer; `undefined`: the object is gone. */
  async keep<T>(ref: ObjectRef, ask: () => Promise<T>, objectOf: (answer: T) => KubeObject | undefined): Promise<T> {
    const key = refKey(ref);
    const asked: Asked = { ref };
    const all = this.#asked.get(key) ?? new Set();
    this.#asked.set(key, all.add(asked));
    try {
      const answer = await ask();
      this.#note(asked, objectOf(answer));
      return answer;
    } finally {
      if (all.delete(asked) && all.size === 0) this.#asked.delete(key);
    }
  }

  /** What is known of it is not what there is. */
  distrust(ref: ObjectRef): void {
    if (this.#isFollowed(ref)) this.#stale.add(refKey(ref));
  }

  isStale(ref: ObjectRef): boolean {
    return this.#stale.has(refKey(ref));
  }

  of(ref: ObjectRef): Overlay | undefined {
    return this.#overlays.get(refKey(ref));
  }

  /** True when this very version is what we wrote. */
  isOwn(ref: ObjectRef, object: KubeObject): boolean {
    return object.metadata.resourceVersion === this.#own.get(refKey(ref));
  }

  /** The objects with what we wrote in place of what is known. */
  over({ kind, namespace }: Selection, items: readonly KubeObject[]): readonly KubeObject[] {
    const mine = [...this.#overlays.values()].filter(
      ({ ref }) => ref.kind === kind && (namespace === undefined || ref.namespace === namespace),
    );
    if (mine.length === 0) return items;
    const replaced = new Set(mine.map(({ ref }) => refKey(ref)));
    const rest = items.filter((object) => !replaced.has(refKey(refOf(kind, object))));
    return [...rest, ...mine.flatMap(({ object }) => object ?? [])];
  }

  #note({ ref, news }: Asked, object: KubeObject | undefined): void {
    if (!this.#isFollowed(ref)) return;
    const key = refKey(ref);
    this.#stale.delete(key);
    const version = object?.metadata.resourceVersion;
    if (version === undefined) this.#own.delete(key);
    else this.#own.set(key, version);
    const known = this.#view.find(ref.kind, ref.namespace)?.get(ref.namespace ?? "", ref.name);
    const isKnown = object === undefined ? known === undefined : known !== undefined && isAsNew(known, object);
    if (isKnown || (news !== undefined && tellsOf(news, object))) this.#overlays.delete(key);
    else this.#overlays.set(key, { object, ref });
  }

  #heard(kind: ResourceKind, change: StoreChange): void {
    const object = change.after ?? change.before;
    if (object === undefined) return;
    const key = refKey(refOf(kind, object));
    for (const asked of this.#asked.get(key) ?? []) asked.news = change;
    const overlay = this.#overlays.get(key);
    if (overlay !== undefined && tellsOf(change, overlay.object)) this.#overlays.delete(key);
    if (change.after === undefined && !this.#overlays.has(key)) this.#own.delete(key);
  }

  #isFollowed({ kind, namespace }: ObjectRef): boolean {
    return this.#view.find(kind, namespace) !== undefined;
  }
}

/** Names the object a kind's list or answer holds. */
export function refOf(kind: ResourceKind, object: KubeObject): ObjectRef {
  const { name, namespace } = object.metadata;
  return namespace === undefined ? { kind, name } : { kind, name, namespace };
}

/** One text for each object there can be. */
export function refKey({ kind, namespace = "", name }: ObjectRef): string {
  return `${resourceName(kind)} ${namespace}/${name}`;
}

/** Whether news tell of the state that we were answered, or of a later one. */
function tellsOf({ before, after }: StoreChange, answered: KubeObject | undefined): boolean {
  if (answered === undefined) return true;
  if (after !== undefined) return isAsNew(after, answered);
  // The end of an earlier object of this name says nothing of the one that we made.
  return before?.metadata.uid === answered.metadata.uid;
}

/** Versions of one kind are decimal numbers that grow; what is none counts as new. */
function isAsNew(object: KubeObject, than: KubeObject): boolean {
  const [one, other] = [object, than].map(({ metadata }) => Number(metadata.resourceVersion));
  return !((one ?? 0) < (other ?? 0));
}
